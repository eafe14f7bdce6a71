/** Random numbers that are the same in every run. */

export interface Random {
  /** A whole number from 0 to `max`. */
  int(max: number): number
  pick<T>(from: readonly T[]): T
}

/** A linear congruential generator modulo 2^32. */
export function random(seed: number): Random {
  let state = seed >>> 0
  const int = (max: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * (max + 1))
  }
  return { int, pick: from => from[int(from.length - 1)] as (typeof from)[number] }
}
