/** A span of ours as OpenTelemetry's SDKs 1.x, 2.x and 3.x hand theirs to processors and exporters. */
import type {
  Attributes as ApiAttributes,
  Link as ApiLink,
  Span as ApiSpan,
  Exception,
  HrTime,
  SpanContext,
  SpanStatus,
  TimeInput,
} from '@opentelemetry/api'
import { contextOf } from '../context/span-identity.js'
import type { Attributes } from '../semconv.js'
import type { Limits } from '../trace/limits.js'
import type { Scope, Span, SpanEvent, SpanKind, SpanLink } from '../trace/span.js'

/** What sends the spans, in the words of both major versions. */
export interface ForeignResource {
  readonly attributes: ApiAttributes
  readonly schemaUrl?: string | undefined
  readonly asyncAttributesPending: boolean
  waitForAsyncAttributes(): Promise<void>
  getRawAttributes(): [string, unknown][]
  merge(other: { readonly attributes?: ApiAttributes } | null): ForeignResource
}

/** `whole` brings all of it later, and never rejects. */
export function createForeignResource(attributes: Attributes, whole?: Promise<Attributes>): ForeignResource {
  const own = defined(attributes)
  let pending = whole !== undefined
  const known = whole?.then(all => {
    pending = false
    Object.assign(own, defined(all))
  })
  return {
    attributes: own,
    get asyncAttributesPending() {
      return pending
    },
    waitForAsyncAttributes: async () => known,
    getRawAttributes: () => Object.entries(own),
    merge: other => createForeignResource({ ...own, ...other?.attributes } as Attributes),
  }
}

interface ForeignScope {
  readonly name: string
  readonly version?: string | undefined
  readonly schemaUrl?: string | undefined
  readonly attributes?: ApiAttributes | undefined
}

/**
 * One object for a span's whole life, as processors keep what they know of a span by it. `attributes` and `name` are the
 * span's own: what a processor changes in them, others and the export see.
 */
export class ReadableSpan implements ApiSpan {
  constructor(
    private readonly span: Span,
    readonly resource: ForeignResource,
    private readonly limits: Limits,
  ) {}

  get name(): string {
    return this.span.name
  }
  set name(name: string) {
    this.span.name = name
  }
  get kind(): SpanKind {
    return this.span.kind
  }
  get parentSpanId(): string | undefined {
    return this.span.parentSpanId
  }
  get parentSpanContext(): SpanContext | undefined {
    const { traceId, parentSpanId, traceFlags, traceState, parentIsRemote } = this.span
    if (parentSpanId === undefined) return undefined
    return contextOf({ traceId, spanId: parentSpanId, traceFlags, traceState, isRemote: parentIsRemote })
  }
  get startTime(): HrTime {
    return hrTime(this.span.startMs)
  }
  get endTime(): HrTime {
    return hrTime(this.span.endMs)
  }
  get duration(): HrTime {
    return this.ended ? hrTime(this.span.endMs - this.span.startMs) : [0, 0]
  }
  get ended(): boolean {
    return this.span.endMs !== 0
  }
  get status(): SpanStatus {
    const { statusCode: code, statusMessage: message } = this.span
    return message === undefined ? { code } : { code, message }
  }
  get attributes(): ApiAttributes {
    const { attributes } = this.span
    for (const key in attributes) {
      const value = attributes[key]
      // It only kept the object's shape.
      if (value === undefined) delete attributes[key]
      else if (typeof value === 'string' && value.length > this.limits.attributeValueLength)
        attributes[key] = value.slice(0, this.limits.attributeValueLength)
    }
    return attributes as ApiAttributes
  }
  get events(): { name: string; time: HrTime; attributes?: ApiAttributes; droppedAttributesCount: number }[] {
    return (this.span.events ?? []).map(foreignEvent)
  }
  get links(): { context: SpanContext; attributes?: ApiAttributes; droppedAttributesCount: number }[] {
    return (this.span.links ?? []).map(foreignLink)
  }
  get droppedAttributesCount(): number {
    return this.span.droppedAttributes
  }
  get droppedEventsCount(): number {
    return this.span.droppedEvents
  }
  get droppedLinksCount(): number {
    return this.span.droppedLinks
  }
  get instrumentationScope(): ForeignScope {
    return foreignScope(this.span.scope)
  }
  /** Its name in 1.x. */
  get instrumentationLibrary(): ForeignScope {
    return foreignScope(this.span.scope)
  }

  spanContext(): SpanContext {
    return this.span.spanContext()
  }
  isRecording(): boolean {
    return this.span.isRecording()
  }
  setAttribute(key: string, value: unknown): this {
    this.span.setAttribute(key, value)
    return this
  }
  setAttributes(attributes: ApiAttributes): this {
    this.span.setAttributes(attributes)
    return this
  }
  addEvent(name: string, attributesOrTime?: ApiAttributes | TimeInput, time?: TimeInput): this {
    this.span.addEvent(name, attributesOrTime, time)
    return this
  }
  addLink(link: ApiLink): this {
    this.span.addLink(link)
    return this
  }
  addLinks(links: ApiLink[]): this {
    this.span.addLinks(links)
    return this
  }
  setStatus(status: SpanStatus): this {
    this.span.setStatus(status)
    return this
  }
  updateName(name: string): this {
    this.span.updateName(name)
    return this
  }
  recordException(exception: Exception, time?: TimeInput): void {
    this.span.recordException(exception, time)
  }
  end(time?: TimeInput): void {
    this.span.end(time)
  }
}

// Seconds, and nanoseconds below one of them.
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}

function foreignEvent({ name, timeMs, attributes, droppedAttributes }: SpanEvent) {
  return { name, time: hrTime(timeMs), attributes: defined(attributes), droppedAttributesCount: droppedAttributes }
}

function foreignLink(link: SpanLink) {
  const { attributes, droppedAttributes } = link
  return { context: contextOf(link), attributes: defined(attributes), droppedAttributesCount: droppedAttributes }
}

function foreignScope({ name, version, schemaUrl, attributes }: Scope): ForeignScope {
  return { name, version, schemaUrl, attributes: attributes as ApiAttributes | undefined }
}

const defined = (attributes: Attributes = {}): ApiAttributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as ApiAttributes
