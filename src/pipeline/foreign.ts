/** What processors and exporters of OpenTelemetry's SDKs 1.x, 2.x and 3.x look like, without a word of their types. */

/** Is told of every recording span (specification/trace/sdk.md#span-processor). */
export interface SpanProcessor {
  onStart(span: any, parentContext: any): void
  onEnding?(span: any): void
  onEnd(span: any): void
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

/** Takes spans that have ended; a result's code is 0 for success (specification/trace/sdk.md#span-exporter). */
export interface SpanExporter {
  export(spans: any[], done: (result: { code: number; error?: Error | undefined }) => void): void
  forceFlush?(): Promise<void>
  shutdown(): Promise<void>
}
