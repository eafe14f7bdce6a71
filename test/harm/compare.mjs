/** Two logs of observations, compared line by line. */
import { ALLOWED } from './allowed.mjs'

const LOOK_AHEAD = 200
const START = 80
const CONTEXT = 60

/** The lines of a log, without what may differ. */
export function linesOf(text) {
  let left = text
  for (const { pattern, becomes } of ALLOWED) left = left.replace(pattern, becomes)
  return left.split('\n').filter(line => line !== '')
}

/** What a process printed, with the first frame of each stack only: ours are among the frames beneath. */
export const printedLines = text =>
  linesOf(
    text
      .replace(/\(node:\d+\)/g, '(node:<pid>)')
      .replace(/-\d+ is a negative number/g, '<a negative number> is a negative number')
      .replace(/requestId: '[\w-]+'/gi, 'requestId')
      .replace(/^( {4,}at .*\n)( {4,}at .*\n)+/gm, '$1')
      .replace(/^(Emitted 'error' event .*\n) {4}at .*\n/gm, '$1'),
  )

/** The lines that only one of them has, as `- only without us` and `+ only with us`. */
export function differences(without, withUs) {
  const found = []
  let left = 0
  let right = 0
  while (left < without.length || right < withUs.length) {
    if (left < without.length && without[left] === withUs[right]) {
      left++
      right++
      continue
    }
    // The nearest place from where both go on alike.
    const { skipLeft, skipRight } = nearest(without, left, withUs, right)
    const cut = skipLeft === 1 && skipRight === 1 ? sameStart(without[left], withUs[right]) : 0
    for (const line of without.slice(left, left + skipLeft)) found.push(`- ${excerpt(line, cut)}`)
    for (const line of withUs.slice(right, right + skipRight)) found.push(`+ ${excerpt(line, cut)}`)
    left += skipLeft
    right += skipRight
  }
  return found
}

function nearest(without, left, withUs, right) {
  for (let distance = 1; distance <= LOOK_AHEAD; distance++) {
    for (let skipLeft = 0; skipLeft <= distance; skipLeft++) {
      const line = without[left + skipLeft]
      if (line !== undefined && line === withUs[right + distance - skipLeft]) {
        return { skipLeft, skipRight: distance - skipLeft }
      }
    }
  }
  return { skipLeft: without.length - left, skipRight: withUs.length - right }
}

/** How many characters two lines begin alike with. */
function sameStart(a, b) {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

/** The start of a line, and what is around the place. */
function excerpt(line, at) {
  const from = at - CONTEXT > START ? at - CONTEXT : START
  const to = Math.max(at, START) + 3 * CONTEXT
  return [line.slice(0, START), from > START ? ' ... ' : '', line.slice(from, to), line.length > to ? ' ...' : ''].join(
    '',
  )
}
