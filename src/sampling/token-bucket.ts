/** So many a second, and what was not used of the last second. */

export interface TokenBucket {
  /** Takes a token, if there is one. */
  take(): boolean
}

export function createTokenBucket(perSecond: number, nowMs: () => number = () => performance.now()): TokenBucket {
  // Less than one a second must be able to save up for one.
  const capacity = perSecond > 0 ? Math.max(1, perSecond) : 0
  let tokens = capacity
  let countedMs = nowMs()
  return {
    take() {
      const now = nowMs()
      tokens = Math.min(capacity, tokens + ((now - countedMs) / 1000) * perSecond)
      countedMs = now
      if (tokens < 1) return false
      tokens--
      return true
    },
  }
}
