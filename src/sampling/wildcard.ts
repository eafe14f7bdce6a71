/** Patterns in which `*` stands for any characters or none, and `?` for one. */

/**
 * Takes no longer than the length of both together, multiplied: a regular expression with several `*` would take as many
 * powers of it, and texts come from whoever makes a request.
 */
export const wildcard =
  (pattern: string) =>
  (text: string): boolean => {
    let at = 0
    let read = 0
    // The last star, and how far what follows it has been tried.
    let star = -1
    let tried = 0
    while (read < text.length) {
      const char = pattern[at]
      if (char === '*') {
        star = at++
        tried = read
      } else if (char === '?' || char === text[read]) {
        at++
        read++
      } else if (star >= 0) {
        at = star + 1
        read = ++tried
      } else return false
    }
    while (pattern[at] === '*') at++
    return at === pattern.length
  }
