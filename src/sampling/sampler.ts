/** The shapes of samplers, as of the OpenTelemetry API: its types cannot be named, as who installs this package need not have it. */

/** Decides about each span before it is made (specification/trace/sdk.md#sampler). */
export interface Sampler {
  shouldSample(
    context: SamplerContext,
    traceId: string,
    spanName: string,
    spanKind: number,
    attributes: SamplerAttributes,
    links: SamplerLink[],
  ): SamplingResult
  toString(): string
}

export interface SamplingResult {
  decision: Decision
  /** Added to the span's own. */
  attributes?: Readonly<SamplerAttributes>
  /** Of the span, if it is not to be that of its parent. */
  traceState?: SamplerTraceState
}

/** 0: not recorded. 1: recorded for processors, and not exported. 2: recorded and exported. */
export type Decision = 0 | 1 | 2
export const DROP = 0
export const RECORD = 1
export const RECORD_AND_SAMPLE = 2

export interface SamplerContext {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): SamplerContext
  deleteValue(key: symbol): SamplerContext
}

export interface SamplerAttributes {
  [key: string]: SamplerAttributeValue | undefined
}

export type SamplerAttributeValue =
  | string
  | number
  | boolean
  | (string | null | undefined)[]
  | (number | null | undefined)[]
  | (boolean | null | undefined)[]

export interface SamplerLink {
  context: {
    traceId: string
    spanId: string
    traceFlags: number
    isRemote?: boolean | undefined
    traceState?: SamplerTraceState | undefined
  }
  attributes?: SamplerAttributes
}

export interface SamplerTraceState {
  get(key: string): string | undefined
  set(key: string, value: string): SamplerTraceState
  unset(key: string): SamplerTraceState
  serialize(): string
}
