/** What a configuration file says of instrumentations, as their options. */
import { isRow, rowsWithPaths, type Table } from '../row.js'
import type { Given, Outcome } from './given.js'
import type { ConfigModel, HttpModel } from './model.js'

const PATH = 'instrumentation/development'

type OptionTable = Table & { readonly instrumentations: Table }

export function addInstrumentations(model: ConfigModel, table: OptionTable, outcome: Outcome): void {
  const { general, js } = model[PATH] ?? {}
  for (const side of ['client', 'server'] as const)
    addHttp(general?.http?.[side], side, `${PATH}.general.http.${side}`, table, outcome)
  const secrets = general?.sanitization?.url?.sensitive_query_parameters
  if (secrets !== undefined) {
    const from = `${PATH}.general.sanitization.url.sensitive_query_parameters`
    outcome.given.push({ option: 'http.secretParameters', value: secrets, from })
  }
  // After what is general, as it wins.
  for (const [key, value] of Object.entries(js ?? {})) addOwn(key, value, `${PATH}.js.${key}`, table, outcome)
}

function addHttp(
  http: HttpModel | undefined,
  side: 'client' | 'server',
  path: string,
  table: OptionTable,
  { given }: Outcome,
): void {
  for (const [message, names] of [
    ['request', http?.request_captured_headers],
    ['response', http?.response_captured_headers],
  ] as const) {
    if (names === undefined) continue
    const variable = `OTEL_INSTRUMENTATION_HTTP_${side}_CAPTURE_${message}_HEADERS`.toUpperCase()
    for (const [option, row] of rowsWithPaths(table))
      if (row.env.includes(variable)) given.push({ option, value: names, from: `${path}.${message}_captured_headers` })
  }
  if (http?.known_methods !== undefined)
    given.push({ option: 'http.knownMethods', value: http.known_methods, from: `${path}.known_methods` })
}

/** `enabled` switches an instrumentation, all other keys are options of it. */
function addOwn(key: string, value: unknown, path: string, table: OptionTable, { given, remarks }: Outcome): void {
  const name = key.replace(/^@opentelemetry\/instrumentation-/, '').replaceAll('_', '-')
  const rows = Object.hasOwn(table.instrumentations, name) ? table.instrumentations[name] : undefined
  if (rows === undefined || isRow(rows)) {
    remarks.push({ level: 'warn', path, text: 'is not used: there is no such instrumentation here' })
    return
  }
  for (const [own, setting] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    const from = `${path}.${own}`
    if (own !== 'enabled') given.push({ option: `instrumentations.${name}.${inCamels(own)}`, value: setting, from })
    else if (setting === false) given.push(without(name, given, from))
  }
}

function without(name: string, given: readonly Given[], from: string): Given {
  const before = given.findLast(({ option }) => option === 'disabledInstrumentations')?.value ?? []
  return { option: 'disabledInstrumentations', value: [...(before as string[]), name], from }
}

/** 'capture_headers' -> 'captureHeaders'. */
const inCamels = (key: string): string => key.replace(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())
