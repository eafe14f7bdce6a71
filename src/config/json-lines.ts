/** Where in a JSON text its keys stand, and where it ceases to be JSON. */

interface Lines {
  /** By path, as in `batch.maxQueueSize` or `exporters.0`; of a key that is there twice the last. */
  readonly lines: ReadonlyMap<string, number>
  /** The line that is no JSON, and what is expected there. */
  readonly broken?: number
  readonly expected?: string
}

const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: these may not stand in a text of JSON.
const TEXT = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y
const SPACE = /[ \t\r\n]*/y

class Broken extends Error {}

export function linesOf(text: string): Lines {
  const lines = new Map<string, number>()
  let at = 0
  const line = (): number => text.slice(0, at).split('\n').length

  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  function sign(...signs: string[]): string {
    take(SPACE)
    const found = signs.find(sign => text.startsWith(sign, at))
    if (found === undefined) throw new Broken(signs.join(' or '))
    at++
    return found
  }
  function value(path: string): void {
    take(SPACE)
    lines.set(path, line())
    if (text.startsWith('{', at)) items(path, '}', name)
    else if (text.startsWith('[', at)) items(path, ']', String)
    else if ((take(TEXT) ?? take(SCALAR)) === undefined) throw new Broken('a value')
  }
  function items(path: string, end: string, key: (index: number) => string): void {
    at++
    take(SPACE)
    if (text.startsWith(end, at)) {
      at++
      return
    }
    for (let index = 0; ; index++) {
      const own = key(index)
      value(path === '' ? own : `${path}.${own}`)
      if (sign(',', end) === end) return
    }
  }
  function name(): string {
    take(SPACE)
    const found = take(TEXT)
    if (found === undefined) throw new Broken('a key in double quotes')
    sign(':')
    return JSON.parse(found) as string
  }

  try {
    value('')
    take(SPACE)
    if (at < text.length) throw new Broken('nothing more')
    return { lines }
  } catch (error) {
    // Nested too deeply, it is no mistake of one line.
    return { lines, broken: line(), expected: error instanceof Broken ? error.message : 'JSON of fewer levels' }
  }
}
