/** The formats of headers that few systems use, by their standard names: loaded where one of them is named. */
import { b3, b3multi } from './b3.js'
import type { Format } from './format.js'
import { jaeger } from './jaeger.js'
import { ottrace } from './ottrace.js'
import { xray, xrayLambda } from './xray.js'

/** `variables` are those of the process: the format `xray-lambda` reads one of them. */
export const formatsOver = (
  variables: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, Format>> => ({
  b3,
  b3multi,
  jaeger,
  ottrace,
  xray,
  'xray-lambda': xrayLambda(variables),
})
