/** The root span of a trace that is not recorded: what an unsampled request costs, so nothing is made before it is read. */
import { SilentSpan } from '../context/span-identity.js'
import { idFlags, spanIdText, TRACE_ID_BYTES, traceIdText } from './ids.js'

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

  get traceFlags(): number {
    return idFlags
  }

  get traceState(): undefined {
    return undefined
  }

  get isRemote(): boolean {
    return false
  }
}
