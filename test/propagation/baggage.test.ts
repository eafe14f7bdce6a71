/** The official W3C baggage tests (w3c/baggage, test/test_baggage.py) in our words, the limits, and baggage of other makers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as api from '@opentelemetry/api'
import { suppressTracing, W3CBaggagePropagator } from '@opentelemetry/core'
import { ROOT } from '../../src/context/context.js'
import { headerGetter, headerSetter } from '../../src/propagation/headers.js'
import { createPropagator } from '../../src/propagation/index.js'
import { random } from './random.js'

const propagator = createPropagator(['baggage'])

const extract = (baggage: unknown): api.Baggage | undefined =>
  api.propagation.getBaggage(propagator.extract(ROOT, { baggage }, headerGetter))

function inject(baggage: api.Baggage | undefined, from: api.TextMapPropagator = propagator): string | undefined {
  const carrier: Record<string, string> = {}
  if (baggage !== undefined) from.inject(api.propagation.setBaggage(ROOT, baggage), carrier, headerSetter)
  return carrier.baggage
}

/** Key, value and, if there is any, metadata of each entry. */
const entries = (baggage: api.Baggage | undefined): string[][] =>
  (baggage?.getAllEntries() ?? []).map(([key, { value, metadata }]) =>
    metadata === undefined ? [key, value] : [key, value, metadata.toString()],
  )

const ALL = '\t "\';=asdf!@#$%^&*()'
const quoted = '%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29'

const CASES: [what: string, header: unknown, ...expected: string[][]][] = [
  ['one member', 'SomeKey=SomeValue', ['SomeKey', 'SomeValue']],
  [
    'members with a property',
    'SomeKey=SomeValue;SomeProp,SomeKey2=SomeValue2;ValueProp=PropVal',
    ['SomeKey', 'SomeValue', 'SomeProp'],
    ['SomeKey2', 'SomeValue2', 'ValueProp=PropVal'],
  ],
  [
    'blanks everywhere',
    'SomeKey \t = \t SomeValue \t ; \t SomeProp \t , \t SomeKey2 \t = \t SomeValue2 \t ; \t ValueProp \t = \t PropVal',
    ['SomeKey', 'SomeValue', 'SomeProp'],
    ['SomeKey2', 'SomeValue2', 'ValueProp=PropVal'],
  ],
  [
    'several properties',
    'SomeKey=SomeValue;SomeProp;SecondProp=PropValue',
    ['SomeKey', 'SomeValue', 'SomeProp;SecondProp=PropValue'],
  ],
  [
    'blanks around several properties',
    'SomeKey \t = \t SomeValue \t ; \t SomeProp \t ; \t SecondProp \t = \t PropValue',
    ['SomeKey', 'SomeValue', 'SomeProp;SecondProp=PropValue'],
  ],
  ['equals signs in a value', 'SomeKey=SomeValue=equals', ['SomeKey', 'SomeValue=equals']],
  ['percent-encoding', `SomeKey=${quoted}`, ['SomeKey', ALL]],
  ['percent-encoding between blanks', `SomeKey \t = \t ${quoted} \t `, ['SomeKey', ALL]],
  [
    'the example of the specification',
    'userId =   alice,serverNode = DF%2028, isProduction = false',
    ['userId', 'alice'],
    ['serverNode', 'DF 28'],
    ['isProduction', 'false'],
  ],
  [
    'several headers',
    ['userId=alice', 'serverNode=DF%2028,isProduction=false'],
    ['userId', 'alice'],
    ['serverNode', 'DF 28'],
    ['isProduction', 'false'],
  ],
  ['a key twice: the last value', 'a=1,b=2,a=3', ['a', '3'], ['b', '2']],
  ['an empty value', 'a=,b= ;p', ['a', ''], ['b', '', 'p']],
  ['UTF-8', 'a=%C3%A9%F0%9F%98%80', ['a', 'é😀']],
  ['octets that are no UTF-8', 'a=x%C3%28%FFy', ['a', 'x\ufffd(\ufffdy']],
  ['percent signs that encode nothing', 'a=100%,b=%zz%4', ['a', '100%'], ['b', '%zz%4']],
  ['a plus sign, which is no space', 'a=1+1', ['a', '1+1']],
  ['encoded properties, which stay so', 'a=1;p=%20x', ['a', '1', 'p=%20x']],
  ['malformed properties', 'a=1;p q;;=x;r="s";t', ['a', '1', 't']],
  ['malformed members', ',,b,=c, =d,e f=1,g=h i,"j"=k,l="m",n=\\,o=\x01,p=\xe9,q=\xa01,\xa0r=1,z=1', ['z', '1']],
  ['all characters of a key', "!#$%&'*+-.^_`|~09AZaz=1", ["!#$%&'*+-.^_`|~09AZaz", '1']],
  ['keys that are not tokens, encoded', 'a%20b=1,%C3%A9=2', ['a b', '1'], ['é', '2']],
  [
    'keys of objects',
    '__proto__=1,constructor=2,toString=3,hasOwnProperty=4',
    ['__proto__', '1'],
    ['constructor', '2'],
    ['toString', '3'],
    ['hasOwnProperty', '4'],
  ],
  ['nothing', ''],
  ['blanks only', ' \t , '],
  ['a number', 1],
  ['null', null],
]

describe('extract', () => {
  for (const [what, header, ...expected] of CASES) {
    it(`takes ${what}`, () => {
      const baggage = extract(header)
      assert.deepEqual(entries(baggage), expected)
      for (const [key, value] of expected) assert.equal(baggage?.getEntry(key as string)?.value, value)
      assert.equal(({} as Record<string, unknown>).value, undefined)
    })
  }

  it('finds the header in any case', () => {
    const context = propagator.extract(ROOT, { BaGgAgE: 'a=1' }, headerGetter)
    assert.deepEqual(entries(api.propagation.getBaggage(context)), [['a', '1']])
  })

  it('leaves the very context if there is nothing in the header', () => {
    const context = api.propagation.setBaggage(ROOT, api.propagation.createBaggage({ a: { value: '1' } }))
    for (const baggage of [undefined, '', 'x', ','])
      assert.equal(propagator.extract(context, { baggage }, headerGetter), context)
  })
})

describe('the limits', () => {
  const many = (count: number, valueLength: number) =>
    Array.from({ length: count }, (_, i) => `${String(i).padStart(3, '0')}=${'v'.repeat(valueLength)}`)
  const both = (text: string) => inject(extract(text))

  it('let 64 members through, and 512 that are short enough', () => {
    for (const members of [many(64, 5), many(64, 123), many(512, 11)]) {
      assert.ok(members.join().length <= 8192)
      assert.equal(both(members.join()), members.join())
    }
  })

  it('let one member of 8,192 bytes through, and none of 8,193', () => {
    const member = `a=${'0123456789'.repeat(819)}`
    assert.equal(member.length, 8192)
    assert.equal(both(member), member)
    assert.equal(extract(`${member}0`), undefined)
    assert.equal(inject(api.propagation.createBaggage({ a: { value: 'v'.repeat(8191) } })), undefined)
  })

  it('cut between members', () => {
    const members = many(600, 11)
    assert.equal(both(members.join()), members.slice(0, 512).join())
    const own = api.propagation.createBaggage(
      Object.fromEntries(members.map(m => [`k${m.slice(0, 3)}`, { value: 'évv' }])),
    )
    const text = inject(own) as string
    assert.ok(text.length <= 8192 && text.length > 8192 - 14)
    assert.match(text, /^(k\d{3}=%C3%A9vv(,|$))+$/)
  })

  it('leave out the member that is too long and no other', () => {
    const own = api.propagation.createBaggage({ a: { value: '1' }, b: { value: ' '.repeat(3000) }, c: { value: '3' } })
    assert.equal(inject(own), 'a=1,c=3')
  })

  it('take time in proportion to the length', () => {
    // Of this process alone: others may be busy.
    const start = process.cpuUsage()
    for (const part of [' ', 'a', ',', ';', '%', '%41', 'a=1,', '=', 'a;']) {
      extract(part.repeat(1e6 / part.length))
      const text = part.repeat(8000 / part.length)
      // Headers as long as they may be, which end in what is not allowed.
      for (const before of ['', 'a', 'a=', 'a=1', 'a=1;p', 'a=1;p=', 'a=1;p=1'])
        for (let i = 0; i < 20; i++) extract(`${before}${text}\x01`)
    }
    const ms = process.cpuUsage(start).user / 1000
    assert.ok(ms < 2000, `${ms} ms`)
  })
})

describe('baggage', () => {
  it('is immutable', () => {
    const one = extract('a=1;p,b=2') as api.Baggage
    const before = entries(one)
    const given = { value: '3' }
    const three = one.setEntry('c', given)
    given.value = 'x'
    const mine = three.getEntry('c') as api.BaggageEntry
    mine.value = 'y'
    for (const [, entry] of three.getAllEntries()) entry.value = 'z'
    assert.deepEqual(entries(three), [...before, ['c', '3']])
    assert.deepEqual(entries(one.removeEntry('a')), [['b', '2']])
    assert.deepEqual(entries(three.removeEntries('a', 'c', 'nothing')), [['b', '2']])
    assert.deepEqual(entries(one.setEntry('a', { value: '9' })), [
      ['a', '9'],
      ['b', '2'],
    ])
    assert.deepEqual(entries(one.clear()), [])
    assert.equal(one.getEntry('nothing'), undefined)
    assert.deepEqual(entries(one), before)
  })

  it('goes the same way as that of the API', () => {
    const change = (baggage: api.Baggage) =>
      baggage
        .setEntry('__proto__', { value: '1' })
        .setEntry('b', { value: '2' })
        .removeEntries('a', 'x')
        .removeEntry('y')
    const header = 'a=1,b=0;p=q,x=3,y=4'
    const ours = change(extract(header) as api.Baggage)
    const theirs = change(
      api.propagation.getBaggage(
        new W3CBaggagePropagator().extract(ROOT, { baggage: header }, headerGetter),
      ) as api.Baggage,
    )
    assert.deepEqual(entries(ours), entries(theirs))
    assert.equal(inject(ours), inject(theirs))
    assert.equal(inject(ours, new W3CBaggagePropagator()), inject(theirs, new W3CBaggagePropagator()))
  })
})

describe('inject', () => {
  const of = (record: Record<string, api.BaggageEntry>) => inject(api.propagation.createBaggage(record))

  it('encodes what may not stand in a header', () => {
    assert.equal(of({ SomeKey: { value: ALL } }), `SomeKey=${encodeURIComponent(ALL)}`)
    assert.equal(of({ 'a b': { value: 'é\r\n,;' } }), 'a%20b=%C3%A9%0D%0A%2C%3B')
    assert.equal(of({ k: { value: 'a\ud800b' } }), 'k=a%EF%BF%BDb')
    assert.equal(of({ '\udc00,': { value: '' } }), '%EF%BF%BD%2C=')
  })

  it('writes metadata that is well-formed', () => {
    const metadata = api.baggageEntryMetadataFromString
    assert.equal(of({ a: { value: '1', metadata: metadata(' p=1 ; q') } }), 'a=1;p=1;q')
    assert.equal(of({ a: { value: '1', metadata: metadata('p\r\nx: y;q=1,b=2;r') } }), 'a=1;r')
    assert.equal(of({ a: { value: '1', metadata: metadata('') } }), 'a=1')
  })

  it('writes nothing for no baggage, empty baggage and an empty key', () => {
    assert.equal(of({}), undefined)
    assert.equal(of({ '': { value: '1' } }), undefined)
    const carrier = {}
    propagator.inject(ROOT, carrier, headerSetter)
    assert.deepEqual(carrier, {})
  })

  it('writes values that are no text as text', () => {
    assert.equal(of({ a: { value: 1 as never }, b: { value: true as never } }), 'a=1,b=true')
  })

  it('writes nothing where tracing is suppressed', () => {
    const carrier: Record<string, string> = {}
    const context = propagator.extract(ROOT, { baggage: 'a=1' }, headerGetter)
    propagator.inject(suppressTracing(context), carrier, headerSetter)
    assert.deepEqual(carrier, {})
    propagator.inject(context, carrier, headerSetter)
    assert.deepEqual(carrier, { baggage: 'a=1' })
  })
})

describe('random baggage', () => {
  const { int, pick } = random(7)
  const CHARS = [...'abZ09 \t,;="\\%+&é😀\0\n', '\ud800', '__proto__', '%41', '%C3', 'key', 'value']
  const text = (max: number) => Array.from({ length: int(max) }, () => pick(CHARS)).join('')
  const wellFormed = (value: string) => value.replace(/\p{Surrogate}/gu, '\ufffd')

  it('comes out of the API as it went in, through us and through @opentelemetry/core', () => {
    const core = new W3CBaggagePropagator()
    let compared = 0
    for (let i = 0; i < 5000; i++) {
      let baggage = api.propagation.createBaggage()
      const expected = new Map<string, string>()
      for (let n = int(6); n > 0; n--) {
        // A key that looks encoded is the one thing that cannot come out again: see baggage.ts.
        const key = wellFormed(text(8)).replaceAll('%', '')
        const value = text(12)
        baggage = baggage.setEntry(key, { value })
        if (key !== '') expected.set(key, wellFormed(value))
      }
      const header = inject(baggage)
      assert.deepEqual(entries(extract(header)), [...expected])
      assert.equal(inject(extract(header)), header)
      // Theirs drops empty values, which the grammar allows.
      if (header === undefined || [...expected.values()].includes('')) continue
      compared++
      const theirs = api.propagation.getBaggage(core.extract(ROOT, { baggage: header }, api.defaultTextMapGetter))
      // Theirs went through an object, which puts numbers first and has no own `__proto__`.
      expected.delete('__proto__')
      assert.deepEqual(entries(theirs).sort(), [...expected].sort())
    }
    assert.ok(compared > 1000, String(compared))
  })

  it('never throws on headers, and is stable once it was read', () => {
    let read = 0
    for (let i = 0; i < 20_000; i++) {
      const header = Array.from(
        { length: int(5) },
        () => `${text(3)}${pick(['=', ' = ', ''])}${text(4)}${pick(['', ';', ';p=1'])}`,
      ).join()
      const carried = inject(extract(header))
      if (carried === undefined) continue
      read++
      assert.match(carried, /^[\x21-\x7e]+$/)
      assert.equal(inject(extract(carried)), carried)
      assert.deepEqual(entries(extract(carried)), entries(extract(header)))
    }
    assert.ok(read > 1000, String(read))
  })
})
