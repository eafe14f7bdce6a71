/** The root span of a trace that is not recorded: what an unsampled request costs, so nothing is made before it is read. */
import { RANDOM, SilentSpan } from '../context/span-identity.js'
import { spanIdText, TRACE_ID_BYTES, traceIdText } from './ids.js'

export class UnsampledRoot extends SilentSpan {
  private traceText: string | undefined = undefined
  private spanText: string | undefined = undefined

  /** As of a `Span`: the span id begins at `idAt`, after the trace id. */
  constructor(
    private readonly idBytes: Buffer,
    private readonly idAt: number,
  ) {
    super()
  }

  get traceId(): string {
    this.traceText ??= traceIdText(this.idBytes, this.idAt - TRACE_ID_BYTES)
    return this.traceText
  }

  get spanId(): string {
    this.spanText ??= spanIdText(this.idBytes, this.idAt)
    return this.spanText
  }

  // The low 56 bits of a trace id that we made are random (W3C Trace Context Level 2, section 3.2.2.5).
  get traceFlags(): number {
    return RANDOM
  }

  get traceState(): undefined {
    return undefined
  }

  get isRemote(): boolean {
    return false
  }
}
