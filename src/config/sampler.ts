/** How the sampler is configured: its name, and an argument that each sampler reads in its own way. */
import { choice, interval, ratio, url, withoutCredentials } from './parse.js'
import { row } from './row.js'

type Variables = Readonly<Record<string, string | undefined>>

export const SAMPLER_ARGUMENT = 'OTEL_TRACES_SAMPLER_ARG'

/** What a part of the argument of the Jaeger samplers is called among the variables. */
const part = (key: string): string => `${SAMPLER_ARGUMENT} ${key}`

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'jaeger_remote',
  'parentbased_jaeger_remote',
] as const

const jaegerRemote = {
  endpoint: row(
    url,
    'http://localhost:5778/sampling',
    part('endpoint'),
    'Whom the two Jaeger samplers ask for a strategy, over HTTP; `/sampling` is appended where it is missing. Their argument is a list: `endpoint=http://jaeger:5778,pollingIntervalMs=5000,initialSamplingRate=0.25`.',
    'credentials',
  ),
  pollingIntervalMs: row(interval, 60_000, part('pollingIntervalMs'), 'How long after an answer they ask again.'),
  initialSamplingRate: row(
    ratio,
    0.001,
    part('initialSamplingRate'),
    'Share of traces that they record before the first answer.',
  ),
}

export const sampler = {
  name: row(choice(SAMPLERS), 'parentbased_always_on', 'OTEL_TRACES_SAMPLER', 'Which traces are recorded.'),
  ratio: row(ratio, 1, SAMPLER_ARGUMENT, 'Share of traces that the two ratio samplers record.'),
  jaegerRemote,
}

/** The variables as the sampler reads them: for the Jaeger samplers each part of the argument is one, in place of the whole. */
export function divideArgument(
  env: Variables,
  name: unknown,
  ignore: (value: string, expected: string) => void,
): Variables {
  if (name !== 'jaeger_remote' && name !== 'parentbased_jaeger_remote') return env
  const { [SAMPLER_ARGUMENT]: argument = '', ...divided }: Record<string, string | undefined> = env
  for (const pair of argument.split(',')) {
    const [, key = '', value] = /^\s*(\w+)\s*=(.*)$/s.exec(pair) ?? []
    if (Object.hasOwn(jaegerRemote, key)) divided[part(key)] = value
    else if (pair.trim() !== '')
      ignore(withoutCredentials(pair.trim()), `${Object.keys(jaegerRemote).join('=, ')}=, each with a value`)
  }
  return divided
}
