// The shape of a library: every function and object that can be reached from its exports, property by property.
const { builtinModules } = require('node:module')
const { types } = require('node:util')
const { className, firstFrame } = require('./observer.cjs')

const MAX_DEPTH = 8
const MAX_LINES = 30_000
// Loading these warns, takes long, or changes emitters.
const UNREAD = /^(_|domain|punycode|sys|wasi|sqlite|test|trace_events|inspector|repl|v8|node:)|\//

const USUAL = new Set([null, Function.prototype, Object.prototype, Array.prototype])

/** What is not the library's: what the language and Node offer, but for the modules that are looked at. */
function foreign(walked) {
  const known = new Map()
  const add = (value, name) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || known.has(value)) return
    known.set(value, name)
    if (typeof value === 'function') add(value.prototype, `${name}.prototype`)
  }
  for (const key of Reflect.ownKeys(globalThis))
    add(Object.getOwnPropertyDescriptor(globalThis, key).value, String(key))
  for (const fn of [async () => {}, function* () {}, async function* () {}]) {
    add(Object.getPrototypeOf(fn), `prototype of ${className(fn)}`)
  }
  for (const module of builtinModules.filter(module => !UNREAD.test(module) && !walked.includes(module))) {
    const exports = require(module)
    add(exports, module)
    for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(exports)))
      add(value, `${module}.${key}`)
  }
  return known
}

/** Writes a line for each thing that can be reached. What was reached before is named by where. */
function walkShape(exports, name, write) {
  const seen = foreign(['http', 'https', 'http2', 'child_process', 'worker_threads'])
  let lines = 0

  function walk(value, path, depth) {
    if (lines++ > MAX_LINES) return
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
      write(`${path} is ${typeof value} ${firstFrame(String(value))}`)
      return
    }
    if (seen.has(value)) {
      write(`${path} is ${seen.get(value)}`)
      return
    }
    seen.set(value, path)
    write(`${path} is ${kindOf(value)}; ${traitsOf(value)}; it has ${keysOf(value)}`)
    if (depth === MAX_DEPTH || types.isProxy(value)) return
    const prototype = Object.getPrototypeOf(value)
    if (!USUAL.has(prototype)) walk(prototype, `${path}.__proto__`, depth + 1)
    for (const key of Reflect.ownKeys(value)) {
      if (typeof value === 'function' && (key === 'length' || key === 'name' || isMereMethod(value, key))) continue
      const found = Object.getOwnPropertyDescriptor(value, key)
      const place = `${path}.${String(key)}`
      if (found.get !== undefined) walk(found.get, `get ${place}`, depth + 1)
      if (found.set !== undefined) walk(found.set, `set ${place}`, depth + 1)
      if ('value' in found) walk(found.value, place, depth + 1)
      // Compiled modules export by getters; others are not called, as they may warn or do work.
      else if (depth === 0 && !name.startsWith('node:'))
        readOf(exports, key, value => walk(value, place, depth + 1), write)
    }
  }
  walk(exports, name, 0)
  if (lines > MAX_LINES) throw new Error(`${name} has more than ${MAX_LINES} parts`)
}

/** Any function that is not written as a method has a prototype: of one that makes no objects it is without meaning. */
const isMereMethod = (value, key) =>
  key === 'prototype' && !isClass(value) && Reflect.ownKeys(Object(value.prototype)).every(own => own === 'constructor')

const isClass = value => /^class\b/.test(Function.prototype.toString.call(value))

function readOf(exports, key, walk, write) {
  let value
  try {
    value = exports[key]
  } catch (error) {
    write(`${String(key)} throws ${error.message}`)
    return
  }
  walk(value)
}

const kindOf = value => {
  if (typeof value !== 'function') return `object ${className(value)}`
  return `${isClass(value) ? 'class' : 'function'} ${JSON.stringify(value.name)} of length ${value.length}`
}

const traitsOf = value =>
  [
    Object.isFrozen(value)
      ? 'frozen'
      : Object.isSealed(value)
        ? 'sealed'
        : Object.isExtensible(value)
          ? 'open'
          : 'closed',
    typeof value === 'function' && types.isAsyncFunction(value) ? 'async' : '',
    typeof value === 'function' && types.isGeneratorFunction(value) ? 'generator' : '',
    typeof value === 'function' && isConstructor(value) ? 'can be constructed' : '',
    types.isProxy(value) ? 'proxy' : '',
  ]
    .filter(Boolean)
    .join(', ')

/** Whether `new` works, without calling it. */
function isConstructor(value) {
  try {
    Reflect.construct(Object, [], value)
    return true
  } catch {
    return false
  }
}

const keysOf = value => {
  const keys = Reflect.ownKeys(value).map(key => {
    const { writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(value, key)
    return `${String(key)}(${writable ? 'w' : ''}${enumerable ? 'e' : ''}${configurable ? 'c' : ''})`
  })
  return keys.join(' ') || 'nothing'
}

module.exports = { walkShape }
