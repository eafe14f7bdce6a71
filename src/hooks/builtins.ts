/** Meets built-in modules when the process loads them, before whoever asks for one has it. */
import { log } from '../diagnostics/log.js'

/**
 * Every built-in module that the process has loaded, in this order: Node pushes its name when the module has run, whichever
 * way it is asked for. Not documented, unchanged from Node 20 to 26.
 */
const { moduleLoadList: list } = process as { moduleLoadList?: string[] }
const PREFIX = 'NativeModule '

const waiting = new Map<string, () => void>()

export const isLoaded = (name: string): boolean => list?.includes(PREFIX + name) ?? true

/**
 * Calls `met` with each of `names` once it has been loaded, at once with those that have been; never throws what that throws.
 * A hook on either loader would run for every module, and see half of them: `Module._load` runs for every cached `require`
 * and for no `import`, a hook of the other loader is no public API before Node 22.15. So the list itself tells, by a setter
 * that stands behind it until the last of them has come; it costs nothing but a call for each built-in module.
 */
export function whenLoaded(names: Iterable<string>, met: (name: string) => void): void {
  for (const name of names) {
    const before = waiting.get(name)
    if (isLoaded(name)) meet(name, () => met(name))
    else {
      waiting.set(name, () => {
        before?.()
        met(name)
      })
    }
  }
  if (waiting.size > 0 && list !== undefined) Object.setPrototypeOf(list, listening)
}

/** What a pushed entry is looked up in, as the list itself has no such index yet. */
const listening = new Proxy(Object.create(Array.prototype), {
  set(target, key, value, receiver) {
    const done = Reflect.set(target, key, value, receiver)
    if (typeof value === 'string' && value.startsWith(PREFIX)) heard(value.slice(PREFIX.length))
    return done
  },
})

function heard(name: string): void {
  const met = waiting.get(name)
  if (met === undefined) return
  waiting.delete(name)
  if (waiting.size === 0) Object.setPrototypeOf(list, Array.prototype)
  meet(name, met)
}

function meet(name: string, met: () => void): void {
  try {
    met()
  } catch (error) {
    // Whoever loads the module would have it.
    log.once(name, '%s could not be met: %s', name, error)
  }
}
