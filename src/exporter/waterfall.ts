/** The spans of one trace as lines of text: a tree in the order of time, with a bar for when each span ran. */
import type { SpanKind } from '../trace/span.js'
import { columns, fit, harmless, type Piece, padded, paint } from './terminal-text.js'

export interface WaterfallSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly kind: SpanKind
  /** Milliseconds since the epoch. */
  readonly startMs: number
  /** Milliseconds since the epoch. */
  readonly endMs: number
  /** Absent where all spans are of one process. */
  readonly service?: string | undefined
  readonly error: boolean
  readonly errorMessage?: string | undefined
  /** Read for the few that tell more than the name does. */
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links?: readonly { readonly traceId: string }[] | undefined
}

export interface WaterfallOptions {
  /** Columns of the terminal; less than 60 is taken as 60. */
  readonly width: number
  /** With ANSI colours. */
  readonly colour: boolean
}

interface Node {
  readonly span: WaterfallSpan
  children: Node[]
  /** Spans like those above it that this one line stands for. */
  readonly repeats: readonly WaterfallSpan[]
}

const BOLD = '1'
const DIM = '2'
const RED = '31'
const SERVICE_COLOURS = ['36', '32', '33', '35', '34'] as const

const KIND_MARKS = ['·', '←', '→', '⇒', '⇐'] as const
const MIN_WIDTH = 60
const DURATION_WIDTH = 8

/**
 * A header, then a line or more for each span: `→` is a call that leaves the process, `←` one that comes in, `⇒` and `⇐`
 * are the same for messages, `✗` is an error, `⋯` stands for what is not shown: a parent elsewhere, or many alike.
 * No line is wider than `width`, and no control character of a span reaches the terminal.
 */
export function waterfall(given: readonly WaterfallSpan[], { width: wanted, colour }: WaterfallOptions): string[] {
  if (given.length === 0) return []
  const spans = given.toSorted((a, b) => a.startMs - b.startMs || b.endMs - a.endMs)
  const width = Math.max(MIN_WIDTH, Math.floor(wanted))
  const barWidth = Math.min(40, Math.floor(width * 0.3))
  const labelWidth = width - barWidth - DURATION_WIDTH - 6
  const maxIndent = Math.floor(labelWidth / 2)
  const window = timesOf(spans)
  const services = [...new Set(spans.map(({ service }) => service).filter(service => service !== undefined))]
  const colourOf = (service: string | undefined): string =>
    SERVICE_COLOURS[Math.max(0, services.indexOf(service as string)) % SERVICE_COLOURS.length] as string
  const shorten = (indent: string): string => (indent.length <= maxIndent ? indent : `…${indent.slice(1 - maxIndent)}`)
  // An error that climbs is told where it came from: by the span that started last.
  const tellers = new Map(spans.filter(({ error }) => error).map(span => [span.errorMessage, span]))
  const lines = [paint(header(spans, services, window.endMs - window.startMs, width), colour)]

  function add({ span, repeats }: Node, parent: Node | undefined, indent: string, below: string): void {
    const label: Piece[] = [[indent, DIM]]
    if (parent === undefined && span.parentSpanId !== undefined) label.push(['⋯ ', DIM])
    if (repeats.length > 0) label.push([`⋯ ${repeats.length} more `, DIM])
    if (span.service !== undefined && span.service !== parent?.span.service) {
      label.push([`${harmless(span.service)} `, colourOf(span.service)])
    }
    label.push([`${KIND_MARKS[span.kind]} `, DIM], [harmless(span.name), span.error ? RED : undefined])
    if (repeats.length === 0) label.push([notesOf(span), DIM])
    const { startMs, endMs, totalMs } = timesOf(repeats.length > 0 ? repeats : [span])
    const row: Piece[] = [
      [span.error ? '✗ ' : '  ', RED],
      ...padded(label, labelWidth),
      [duration(totalMs).padStart(DURATION_WIDTH + 2), span.error ? RED : undefined],
      ['  '],
      [
        bar(startMs - window.startMs, endMs - window.startMs, window.endMs - window.startMs, barWidth),
        span.error ? RED : colourOf(span.service),
      ],
    ]
    lines.push(paint(row, colour))
    for (const [text, sgr] of [
      [span.errorMessage && tellers.get(span.errorMessage) !== span ? '' : reasonOf(span), RED],
      [linksOf(span), DIM],
    ] as const) {
      if (text !== '')
        lines.push(
          paint(
            fit(
              [
                [`  ${below}  `, DIM],
                [text, sgr],
              ],
              width,
            ),
            colour,
          ),
        )
    }
  }

  // A stack of its own, as a trace may be deeper than the one of JavaScript.
  const open: { node: Node; parent?: Node; indent: string; rest: string }[] = []
  const push = (nodes: Node[], parent: Node | undefined, rest: string): void => {
    const shown = collapse(nodes)
    for (const node of shown.toReversed()) {
      const last = node === shown.at(-1)
      if (parent === undefined) open.push({ node, indent: '', rest: '' })
      else
        open.push({
          node,
          parent,
          indent: shorten(`${rest}${last ? '└ ' : '├ '}`),
          rest: shorten(`${rest}${last ? '  ' : '│ '}`),
        })
    }
  }
  push(treeOf(spans), undefined, '')
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, parent, indent, rest } = next
    add(node, parent, indent, node.children.length > 0 ? `${rest}│ ` : `${rest}  `)
    push(node.children, node, rest)
  }
  return lines
}

function header(spans: readonly WaterfallSpan[], services: readonly string[], totalMs: number, width: number): Piece[] {
  const errors = spans.filter(({ error }) => error).length
  const facts = `  ${counted(spans.length, 'span')}${errors > 0 ? ',' : ''}`
  const failures = errors > 0 ? ` ${counted(errors, 'error')}` : ''
  const id = `trace ${harmless(spans[0]?.traceId ?? '')}`
  const total = `  ${duration(totalMs)}`
  const names = services.map(harmless).join(', ')
  const room = width - columns(id + facts + failures + total) - 2
  const who = columns(names) <= room ? names : counted(services.length, 'service')
  return fit([[id, BOLD], [who === '' ? '' : `  ${who}`], [facts, DIM], [failures, RED], [total, BOLD]], width)
}

/** The tree, siblings in the order given. A circle is cut where it is first met. */
function treeOf(spans: readonly WaterfallSpan[]): Node[] {
  const nodes: Node[] = spans.map(span => ({ span, children: [], repeats: [] }))
  const byId = new Map(nodes.toReversed().map(node => [node.span.spanId, node]))
  const tops: Node[] = []
  for (const node of nodes) {
    const parent = byId.get(node.span.parentSpanId ?? '')
    if (parent === undefined) tops.push(node)
    else parent.children.push(node)
  }

  const reached = new Set<Node>()
  function reach(top: Node): void {
    const open = [top]
    reached.add(top)
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      node.children = node.children.filter(child => !reached.has(child))
      for (const child of node.children) {
        reached.add(child)
        open.push(child)
      }
    }
  }
  for (const top of tops) reach(top)
  for (const node of nodes) {
    if (reached.has(node)) continue
    tops.push(node)
    reach(node)
  }
  return tops
}

const MIN_REPEATED = 6
const SHOWN_OF_REPEATED = 2

/** Of many siblings alike, as a query in a loop makes them, the first two and one for the rest. */
function collapse(siblings: readonly Node[]): Node[] {
  const shown: Node[] = []
  for (let i = 0; i < siblings.length; ) {
    const first = siblings[i] as Node
    let end = i + 1
    while (end < siblings.length && alike(first, siblings[end] as Node)) end++
    const run = siblings.slice(i, end)
    const kept = run.length < MIN_REPEATED ? run : run.slice(0, SHOWN_OF_REPEATED)
    const repeats = run.slice(kept.length).map(({ span }) => span)
    shown.push(...kept)
    if (repeats[0] !== undefined) shown.push({ span: repeats[0], children: [], repeats })
    i = end
  }
  return shown
}

const isPlain = ({ span, children }: Node): boolean => children.length === 0 && !span.error && !span.links?.length

const alike = (a: Node, b: Node): boolean =>
  isPlain(a) &&
  isPlain(b) &&
  a.span.name === b.span.name &&
  a.span.kind === b.span.kind &&
  a.span.service === b.span.service

/** From the first start to the last end, and the sum of what each took. */
function timesOf(spans: readonly WaterfallSpan[]): { startMs: number; endMs: number; totalMs: number } {
  let startMs = Number.POSITIVE_INFINITY
  let endMs = Number.NEGATIVE_INFINITY
  let totalMs = 0
  for (const span of spans) {
    startMs = Math.min(startMs, span.startMs)
    endMs = Math.max(endMs, span.startMs, span.endMs)
    totalMs += Math.max(0, span.endMs - span.startMs)
  }
  return { startMs, endMs, totalMs }
}

/** What tells more than the name: status, target, query. */
function notesOf({ name, kind, attributes }: WaterfallSpan): string {
  const isClient = kind === 2
  const url = isClient ? attributes['url.full'] : undefined
  const path = !isClient && attributes['http.route'] === undefined ? attributes['url.path'] : undefined
  const messages = attributes['messaging.batch.message_count']
  const query = attributes['db.query.text']
  return [
    typeof url === 'string' ? url.replace(/^\w+:\/\/(?:[^/@]*@)?|\?.*$/gs, '') : path,
    attributes['http.response.status_code'],
    typeof messages === 'number' ? counted(messages, 'message') : undefined,
    query === name ? undefined : query,
  ]
    .filter(note => typeof note === 'string' || typeof note === 'number')
    .map(note => `  ${harmless(String(note))}`)
    .join('')
}

/** The message of an error and its class; nothing where the class is the status code, which the notes have. */
function reasonOf({ error, errorMessage = '', attributes }: WaterfallSpan): string {
  if (!error) return ''
  const type = attributes['error.type']
  const status = attributes['http.response.status_code']
  if (typeof type !== 'string' || type === String(status) || errorMessage.startsWith(type))
    return harmless(errorMessage)
  return harmless(errorMessage === '' ? type : `${type}: ${errorMessage}`)
}

function linksOf({ links = [], traceId }: WaterfallSpan): string {
  if (links.length === 0) return ''
  const [first, ...others] = new Set(links.map(link => link.traceId))
  const where = first === traceId ? 'this trace' : `trace ${harmless(first as string)}`
  const more = others.length > 0 ? ` and ${counted(others.length, 'other trace')}` : ''
  return `↳ linked to ${counted(links.length, 'span')} of ${where}${more}`
}

/** '420 µs', '4.12 ms', '245 ms', '1.25 s', '2m 05s', '3h 20m', '12 d'. */
function duration(ms: number): string {
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`
  if (ms < 999.5) return `${ms.toPrecision(3)} ms`
  if (ms < 59_950) return `${(ms / 1000).toPrecision(3)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, '0')}s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 6000) return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
  return `${Math.round(minutes / 1440)} d`
}

/** Blocks from `start` to `end` on a scale of `total`, to half a column; at least half a column wide. */
function bar(start: number, end: number, total: number, width: number): string {
  const halves = width * 2
  const at = (ms: number): number => (total > 0 ? Math.round((ms / total) * halves) : 0)
  const from = Math.min(at(start), halves - 1)
  const to = Math.max(from + 1, at(end))
  let text = ' '.repeat(from >> 1)
  for (let half = from - (from % 2); half < to; half += 2) {
    if (half < from) text += '▐'
    else text += half + 1 < to ? '█' : '▌'
  }
  return text
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
