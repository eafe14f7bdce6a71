// What an application can see, as lines of text that are the same in every run: a script observes with and without us.
const { appendFileSync } = require('node:fs')
const { types } = require('node:util')

const DEPTH = 4
const ROOT = require('node:path').join(__dirname, '..', '..')

// Of a stack the first frame is observed: ours are among those beneath.
const FRAMES = /(\n {4}at .*)(\n {4}at .*)+/g

const firstFrame = text => text.replace(FRAMES, '$1')

/** What differs from run to run in the same words, whatever the script. */
const VOLATILE = [
  [new RegExp(`(file://)?${ROOT}/`, 'g'), ''],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, '<date>'],
  [/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, '<date>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uuid>'],
  [/\bpid: \d+/g, 'pid'],
  [/amq\.ctag-[\w-]+/g, '<tag>'],
  [/requestId: "[\w-]+"/gi, 'requestId'],
  [/-\d+ is a negative number/g, '<a negative number> is a negative number'],
  [/\b(local|remote)Port: \d+/g, '$1Port: <port>'],
]

function createObserver(file) {
  const names = new Map()
  const aliases = new Map()
  const write = line => appendFileSync(file, `${stable(line)}\n`)

  /** Without line breaks, and with the volatile replaced. */
  function stable(line) {
    let text = line.replaceAll('\n', '\\n')
    for (const [pattern, name] of VOLATILE) text = text.replace(pattern, name)
    for (const [value, name] of longestFirst(aliases)) {
      // The digits of a port may also be among those of an id.
      text = text.replaceAll(/^\d+$/.test(value) ? new RegExp(`(?<![0-9a-z])${value}(?![0-9a-z])`, 'gi') : value, name)
    }
    return text
  }

  function describe(value, depth = 0) {
    if (typeof value === 'string') return JSON.stringify(firstFrame(value))
    if (typeof value === 'bigint') return `${value}n`
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return String(value)
    if (names.has(value)) return `<${names.get(value)}>`
    if (typeof value === 'function') return `function ${value.name}/${value.length}`
    if (value instanceof Error) return describeError(value, depth)
    if (types.isPromise(value)) return `Promise of class ${className(value)}${ownProperties(value, depth)}`
    if (ArrayBuffer.isView(value)) return `${className(value)} ${JSON.stringify(Buffer.from(value).toString('latin1'))}`
    if (depth >= DEPTH) return className(value)
    if (Array.isArray(value)) return `[${Array.from(value, item => describe(item, depth + 1)).join(', ')}]`
    if (value instanceof Date) return 'Date'
    if (types.isMap(value)) return `Map ${describe([...value], depth + 1)}`
    if (types.isSet(value)) return `Set ${describe([...value], depth + 1)}`
    // What is in an object of a class is its own affair: its properties are observed one by one, where they matter.
    if (!isPlain(value)) return `${className(value)} {${Reflect.ownKeys(value).map(String).join(', ')}}`
    return `${className(value)}${ownProperties(value, depth)}`
  }

  function ownProperties(value, depth) {
    const entries = Reflect.ownKeys(value).map(key => {
      const { value: held, get, set, enumerable } = Object.getOwnPropertyDescriptor(value, key)
      const shown = get || set ? 'accessor' : describe(held, depth + 1)
      return `${String(key)}${enumerable ? '' : ' (hidden)'}: ${shown}`
    })
    return ` {${entries.join(', ')}}`
  }

  function describeError(error, depth) {
    const [top = 'no frame'] = /^ {4}at .*/m.exec(String(error.stack)) ?? []
    const extras = Reflect.ownKeys(error)
      .filter(key => key !== 'stack' && key !== 'message')
      .map(key => `${String(key)}: ${depth < 2 ? describe(error[key], depth + 1) : typeof error[key]}`)
    return `${className(error)} ${JSON.stringify(error.message)} {${extras.join(', ')}} ${top.trim()}`
  }

  return {
    write,
    observe: (label, ...values) => write(`${label}: ${values.map(value => describe(value)).join(', ')}`),
    /** From here on this very object is called by the name, so that what is returned can be told from another like it. */
    name(value, name) {
      names.set(value, name)
      return value
    },
    /** From here on a text or number that differs from run to run is called by the name. */
    alias(value, name) {
      aliases.set(String(value), `<${name}>`)
      return value
    },
  }
}

// A name may hold another: that of a queue, a process's number.
const longestFirst = aliases => [...aliases].sort(([a], [b]) => b.length - a.length)

const isPlain = value => [Object.prototype, null].includes(Object.getPrototypeOf(value))
const className = value => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null ? 'null prototype' : String(prototype.constructor?.name)
}

module.exports = { createObserver, className, firstFrame }
