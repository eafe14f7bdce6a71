/** Meets CommonJS packages, required or imported, at the one function that runs their files. */
import { type Matcher, placeOf } from './match.js'
import { Module } from './module.js'
import { wrap } from './wrap.js'

interface Compiles {
  /** Runs a file's text; afterwards `this.exports` is complete. Not documented, unchanged from Node 18 to 26. */
  _compile(this: NodeJS.Module, content: string, filename: string, format?: string): unknown
}

/**
 * Wraps `Module.prototype._compile`, which runs once a file: a cached `require` costs what it cost, where
 * require-in-the-middle adds 3 microseconds to each with one hook and 31 with ten (Node 20). `Module._load` would be too
 * late: Node 20 and 22 take the exports for ES modules before it returns.
 */
export function hookRequire(matcher: Matcher): void {
  wrap(Module.prototype as unknown as Compiles, '_compile', original => {
    return function (this: NodeJS.Module, _content: string, filename: string) {
      const result = Reflect.apply(original, this, arguments as never)
      const place = placeOf(filename)
      if (place !== undefined && matcher.wants(place.name)) matcher.loaded(place, filename, this.exports)
      return result
    }
  })
}

/** Names of wanted packages that are in the cache of `require` already: too late to be seen. */
export function loadedBefore(matcher: Matcher): string[] {
  const names = new Set<string>()
  for (const filename of Object.keys(require.cache)) {
    const place = placeOf(filename)
    if (place !== undefined && matcher.wants(place.name)) names.add(place.name)
  }
  return [...names]
}
