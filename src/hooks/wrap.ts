/** Replaces a method by a wrapper that cannot be told from it: name, length, properties and descriptor stay. */

/**
 * Replaces `target[method]`, own or inherited, by what `wrapper` makes of it.
 * Does nothing where there is no such function, or where it cannot be replaced (a frozen object, a getter of a compiled ES module).
 */
export function wrap<T extends object, K extends keyof T>(
  target: T,
  method: K,
  wrapper: (original: T[K]) => T[K],
): void {
  const found = descriptorOf(target, method)
  if (found === undefined || typeof found.value !== 'function') return
  const wrapped = resembling(wrapper(found.value as T[K]) as Function, found.value)
  Reflect.defineProperty(target, method, { ...found, value: wrapped })
}

function descriptorOf(target: object, key: PropertyKey): PropertyDescriptor | undefined {
  for (let holder: object | null = target; holder !== null; holder = Object.getPrototypeOf(holder)) {
    const found = Object.getOwnPropertyDescriptor(holder, key)
    if (found !== undefined) return found
  }
  return undefined
}

/** `wrapped`, with everything that `original` has. */
// Express counts a handler's arguments to find error handlers; promisify looks for an own symbol.
export function resembling(wrapped: Function, original: Function): Function {
  for (const key of Reflect.ownKeys(original)) {
    Reflect.defineProperty(wrapped, key, Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor)
  }
  if (Object.getPrototypeOf(wrapped) !== Object.getPrototypeOf(original)) {
    Object.setPrototypeOf(wrapped, Object.getPrototypeOf(original))
  }
  return wrapped
}
