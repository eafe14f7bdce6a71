/** Meets files that are ES modules, by a module of ours in their place, which exports what they do. */
import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Target } from './index.js'
import { type Matcher, placeOf } from './match.js'

interface Context {
  /** A Set in Node 22.15, an array since. */
  readonly conditions?: Iterable<string>
  readonly parentURL?: string | undefined
}

interface Resolved {
  readonly url: string
  readonly format?: string
}

interface Hooks {
  resolve(specifier: string, context: Context, next: (specifier: string, context: Context) => Resolved): Resolved
}

interface Registers {
  registerHooks(hooks: Hooks): { deregister(): void }
}

const KEY = '@org/trace import'
const FACADE = 'data:text/javascript,/* @org/trace */'

/**
 * Registers a hook until each of the packages has been met: every `require` takes 3 microseconds longer with one. Of
 * `resolve` only: before Node 22.22.3, 24.11.1 and 25.1, one of `load` breaks express
 * (https://github.com/nodejs/node/issues/59929).
 */
export function hookImport(matcher: Matcher, targets: readonly Target[], missing: Set<string>): void {
  const packages = [...missing].map(name => `/node_modules/${name}/`)
  const facades = new Map<string, string | undefined>()

  function facadeOf(url: string, { conditions = [], parentURL = '' }: Context): string | undefined {
    if (!url.startsWith('file:') || !packages.some(part => url.includes(part))) return undefined
    if (parentURL.startsWith(FACADE) || ![...conditions].includes('import')) return undefined
    if (!facades.has(url)) facades.set(url, createFacade(url, targets))
    return isQuestion() ? undefined : facades.get(url)
  }

  const hooks = (nodeModule as unknown as Registers).registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context)
      try {
        const facade = facadeOf(resolved.url, context)
        return facade === undefined ? resolved : { url: facade, format: 'module' }
      } catch {
        return resolved
      }
    },
  })

  function meet(url: string, real: object, read: () => object, write: (exports: object) => void, again = false): void {
    let exports: object
    try {
      exports = read()
    } catch {
      // In a circle of imports there is nothing to read until all of its modules have run.
      if (!again) queueMicrotask(() => meet(url, real, read, write, true))
      return
    }
    const file = fileURLToPath(url)
    const place = placeOf(file)
    if (place !== undefined) {
      matcher.loaded(place, file, exports, real)
      missing.delete(place.name)
    }
    write(exports)
    if (missing.size === 0) hooks.deregister()
  }
  Object.defineProperty(globalThis, Symbol.for(KEY), { value: meet })
}

/** `import.meta.resolve` asks where the file is, and gets to know. */
function isQuestion(): boolean {
  const { stack } = new Error()
  return /\bat Object\.resolve \(node:internal\/modules\/esm\//.test(String(stack))
}

/** Undefined for a file that no target wants. */
function createFacade(url: string, targets: readonly Target[]): string | undefined {
  const file = fileURLToPath(url)
  const place = placeOf(file)
  const wanted = targets.filter(
    target => target.name === place?.name && file === join(place.baseDir, target.file ?? ''),
  )
  if (wanted.length === 0) return undefined
  const source = readFileSync(file, 'utf8')
  // `export *` leaves it out.
  const exported = new Map(DEFAULT.test(source) ? [['default', 'default']] : [])
  for (const local of wanted.flatMap(({ replaces = [] }) => replaces)) {
    const name = exportedAs(source, local)
    if (name !== undefined) exported.set(local, name)
  }

  const names = [...exported].map(([local, name], i) => ({ local, name, own: `own${i}` }))
  const list = (text: (name: (typeof names)[number]) => string): string => names.map(text).join()
  const from = JSON.stringify(url)
  const code = `import * as real from ${from};export * from ${from};
    ${names.length > 0 ? `let ${list(({ own }) => own)};` : ''}export {${list(({ own, name }) => `${own} as ${name}`)}};
    globalThis[Symbol.for(${JSON.stringify(KEY)})](${from},real,
      ()=>({...real,${list(({ local, name }) => `${local}:real.${name}`)}}),
      all=>{${names.map(({ own, local }) => `${own}=all.${local}`).join(';')}})`
  return FACADE + encodeURIComponent(code)
}

const DEFAULT = /\bexport\s+default\b|\bas\s+default\b/

/** The name by which an ES module exports what has another in it. */
function exportedAs(source: string, local: string): string | undefined {
  const renamed = new RegExp(`\\bexport\\s*\\{[^}]*\\b${local}(?:\\s+as\\s+([\\w$]+))?\\s*[,}]`).exec(source)
  if (renamed !== null) return renamed[1] ?? local
  return new RegExp(`\\bexport\\s+(?:class|function|const|let|var)\\s+${local}\\b`).test(source) ? local : undefined
}
