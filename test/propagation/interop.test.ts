/** Every format against OpenTelemetry's own implementation of it, both ways, and against input that is meant to hurt. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as api from '@opentelemetry/api'
import { CompositePropagator } from '@opentelemetry/core'
import { AWSXRayPropagator } from '@opentelemetry/propagator-aws-xray'
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3'
import { JaegerPropagator } from '@opentelemetry/propagator-jaeger'
import { OTTracePropagator } from '@opentelemetry/propagator-ot-trace'
import { ROOT } from '../../src/context/context.js'
import { headerGetter, headerSetter } from '../../src/propagation/headers.js'
import { createPropagator } from '../../src/propagation/index.js'
import { random } from './random.js'

const THEIRS: Readonly<Record<string, api.TextMapPropagator>> = {
  b3: new B3Propagator(),
  b3multi: new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
  jaeger: new JaegerPropagator(),
  ottrace: new OTTracePropagator(),
  xray: new AWSXRayPropagator(),
}

const { int, pick } = random(11)
const hex = (digits: number): string => Array.from({ length: digits }, () => int(15).toString(16)).join('')

const contextOf = (traceId: string, spanId: string, traceFlags: number, baggage: Record<string, string> = {}) =>
  api.propagation.setBaggage(
    api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags }),
    api.propagation.createBaggage(Object.fromEntries(Object.entries(baggage).map(([key, value]) => [key, { value }]))),
  )

const written = (by: api.TextMapPropagator, context: api.Context): Record<string, string> => {
  const carrier: Record<string, string> = {}
  by.inject(context, carrier, headerSetter)
  return carrier
}

function read(by: api.TextMapPropagator, headers: Record<string, string>) {
  const context = by.extract(ROOT, headers, headerGetter)
  const { traceId, spanId, traceFlags } = api.trace.getSpanContext(context) ?? {}
  const baggage = api.propagation.getBaggage(context)?.getAllEntries() ?? []
  return { traceId, spanId, traceFlags, baggage: Object.fromEntries(baggage.map(([key, { value }]) => [key, value])) }
}

for (const [name, theirs] of Object.entries(THEIRS)) {
  describe(name, () => {
    const ours = createPropagator([name])
    const baggage: Record<string, string> = ['jaeger', 'ottrace'].includes(name) ? { 'user-id': 'a b', tier: '1' } : {}

    it('goes from us to them and back', () => {
      for (let i = 0; i < 500; i++) {
        const [traceId, spanId, flags] = [hex(32), hex(16), int(1)]
        const expected = {
          traceId: name === 'ottrace' ? traceId.slice(16).padStart(32, '0') : traceId,
          spanId,
          traceFlags: flags,
          baggage,
        }
        const context = contextOf(traceId, spanId, flags, baggage)
        for (const [from, to] of [
          [ours, theirs],
          [theirs, ours],
          [ours, ours],
        ] as const)
          assert.deepEqual(read(to, written(from, context)), expected)
      }
    })

    it('reads them in a composite of everything, too', () => {
      const all = createPropagator(Object.keys(THEIRS))
      const context = contextOf(hex(32), hex(16), 1)
      assert.equal(read(all, written(theirs, context)).spanId, api.trace.getSpanContext(context)?.spanId)
      const composite = new CompositePropagator({ propagators: Object.values(THEIRS) })
      assert.equal(read(composite, written(ours, context)).spanId, api.trace.getSpanContext(context)?.spanId)
    })

    it('never throws, and stays bounded, whatever comes', () => {
      const names = [
        ...ours.fields(),
        ...(ours.alsoReads ?? []),
        'uberctx-a',
        'uberctx-',
        'ot-baggage-a',
        'ot-baggage-__proto__',
      ]
      const PARTS = ['0', 'a', '-', ':', '%', '%3A', '%C3', ';', '=', 'Root=1-', 'Parent=', 'Sampled=', ',', ' ', '\t']
      const ODD = [undefined, null, 1, {}, [], ['a', 1], Buffer.from('ff'), '\ud800', 'ä', '\0', 'd', 'true', '1']
      const text = () =>
        pick([
          () => Array.from({ length: int(12) }, () => pick(PARTS)).join(''),
          () => `${hex(int(40))}${pick([':', '-', '%3A', ''])}${hex(int(20))}${pick([':0:', '-'])}${hex(int(3))}`,
          () => pick(ODD),
        ])()
      for (let i = 0; i < 5000; i++) {
        const headers = Object.fromEntries(names.filter(() => int(1)).map(header => [header, text()]))
        const carried: Record<string, string> = {}
        ours.inject(ours.extract(ROOT, headers, headerGetter), carried, headerSetter)
        for (const value of Object.values(carried)) assert.match(value, /^[\t\x20-\x7e]*$/)
        assert.deepEqual(read(ours, carried), read(ours, written(ours, ours.extract(ROOT, carried, headerGetter))))
      }
    })

    it('takes time in proportion to the length', () => {
      const start = process.cpuUsage()
      for (const part of ['a', '0', '-', ':', '%', '%3A', ';', '=', 'Root=1-', ' ', ',']) {
        const long = part.repeat(2e6 / part.length)
        const short = part.repeat(1000 / part.length)
        for (const header of [...ours.fields(), ...(ours.alsoReads ?? []), 'uberctx-x', 'ot-baggage-x']) {
          ours.extract(ROOT, { [header]: long }, headerGetter)
          for (let i = 0; i < 50; i++) ours.extract(ROOT, { [header]: `${short}\x01` }, headerGetter)
        }
      }
      const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`uberctx-${i}`, 'x']))
      assert.ok(Object.keys(read(ours, many).baggage).length <= 64)
      const ms = process.cpuUsage(start).user / 1000
      assert.ok(ms < 3000, `${ms} ms`)
    })
  })
}
