/** Figures and rows as text: Markdown, which a terminal shows as well. */

/** With three digits that mean something, at most two of them decimals. */
export function number(value) {
  if (value === undefined || Number.isNaN(value)) return ''
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 10 ? 1 : 2)
}

export const spreadText = ({ median, min, max }) => `${number(median)} [${number(min)} to ${number(max)}]`

/** What one variant adds as a share of what another does: nothing where they cannot be compared, no figure where they may be equal. */
export function shareText(share) {
  if (share === undefined) return ''
  if (Math.abs(share.median - 1) <= share.doubt) return `not told apart, 1 ± ${number(share.doubt)}`
  return `${share.atMost ? '< ' : ''}${spreadText(share)}`
}

const text = cell => (typeof cell === 'number' ? number(cell) : (cell ?? ''))

/** A table of rows, arrays of cells; columns are aligned, the first to the left. */
export function table(head, rows) {
  const cells = [head, ...rows].map(row => head.map((_, column) => text(row[column])))
  const widths = head.map((_, column) => Math.max(3, ...cells.map(row => row[column].length)))
  const line = row =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')
}
