/** The OTLP and semantic-conventions checkers of this repository, as every test that receives spans uses them. */
import { AssertionError } from 'node:assert'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './root.js'

/** A decoded ExportTraceServiceRequest: camelCase keys, ids as hexadecimal text, 64-bit integers as decimal text. */
export interface RequestModel {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly KeyValueModel[] }
    readonly scopeSpans?: readonly {
      readonly scope?: { readonly name?: string; readonly version?: string }
      readonly schemaUrl?: string
      readonly spans?: readonly SpanModel[]
    }[]
  }[]
}

export interface SpanModel {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly flags?: number
  readonly name?: string
  readonly kind?: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: readonly KeyValueModel[]
  readonly droppedAttributesCount?: number
  readonly events?: readonly {
    readonly timeUnixNano: string
    readonly name?: string
    readonly attributes?: readonly KeyValueModel[]
    readonly droppedAttributesCount?: number
  }[]
  readonly droppedEventsCount?: number
  readonly links?: readonly {
    readonly traceId?: string
    readonly spanId?: string
    readonly traceState?: string
    readonly flags?: number
    readonly attributes?: readonly KeyValueModel[]
    readonly droppedAttributesCount?: number
  }[]
  readonly droppedLinksCount?: number
  readonly status?: { readonly code?: number; readonly message?: string }
}

export interface KeyValueModel {
  readonly key: string
  readonly value?: AnyValueModel
}

export interface AnyValueModel {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values?: readonly AnyValueModel[] }
}

export interface Checkers {
  /** Decodes one protobuf ExportTraceServiceRequest and judges it. Throws on bytes that are none. */
  request(body: Uint8Array): RequestModel
  /** The same for a request in OTLP JSON. */
  jsonRequest(text: string): RequestModel
  /** Judges what spans have to do with each other. Throws an AssertionError that lists every error; returns the warnings. */
  finish(): string[]
}

export interface CheckersOptions {
  /** Attributes of applications, which no convention knows: keys, or prefixes that end in a dot. */
  readonly allow?: readonly string[]
  /** Ports of collectors: no span may tell of a request to them. */
  readonly ownPorts?: readonly number[]
  /** How far ahead of this process's clock a span may lie. Default 5000. */
  readonly skewMs?: number
  /** The same span may come again, unchanged: a sender that retries. Default false. */
  readonly allowRedelivery?: boolean
}

const load = (file: string): Promise<any> => import(pathToFileURL(join(root, 'test', file)).href)

export async function createCheckers(options: CheckersOptions = {}): Promise<Checkers> {
  const { OtlpChecker } = await load('otlp/check.mjs')
  const { SemconvChecker, loadRegistry } = await load('semconv/check.mjs')
  const otlp = new OtlpChecker({ skewMs: options.skewMs, ownPorts: options.ownPorts })
  otlp.allowRedelivery = options.allowRedelivery === true
  const semconv = new SemconvChecker(loadRegistry(), { allow: options.allow })
  const judged = (model: RequestModel): RequestModel => {
    semconv.request(model)
    return model
  }
  return {
    request: body => judged(otlp.protobuf(body)),
    jsonRequest: text => judged(otlp.json(JSON.parse(text))),
    finish() {
      const wire = otlp.finish()
      const { findings } = semconv.report()
      const errors = [
        ...wire.errors.map(wireLine),
        ...findings.filter((finding: any) => finding.level === 'error').map(semconvLine),
      ]
      if (errors.length > 0) throw new AssertionError({ message: `Received spans are wrong:\n${errors.join('\n')}` })
      return [
        ...wire.warnings.map(wireLine),
        ...findings.filter((finding: any) => finding.level === 'warn').map(semconvLine),
      ]
    },
  }
}

const wireLine = ({ code, count, samples }: any): string => `otlp ${code} x${count}: ${samples.join('; ')}`
const semconvLine = ({ code, count, text, where }: any): string => `semconv ${code} x${count}: ${text} in ${where}`

const fail = (code: string, message: string): never => {
  throw new AssertionError({ message: `${code}: ${message}` })
}

/** One request, decoded as strictly as the schema allows and judged no further. */
export async function createDecoder(): Promise<(body: Uint8Array) => RequestModel> {
  const { decodeBinary, exportType } = await load('otlp/decode.mjs')
  return body => decodeBinary(exportType('trace'), Buffer.from(body), fail)
}

/** The same of OTLP JSON. */
export async function createJsonDecoder(): Promise<(text: string) => RequestModel> {
  const { decodeJson, exportType } = await load('otlp/decode.mjs')
  return text => decodeJson(exportType('trace'), JSON.parse(text), fail)
}
