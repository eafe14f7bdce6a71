/** The rows of the specification's compliance matrix (spec-matrix.md), our answer to each, and both as Markdown. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../helpers/root.js'
import { answers } from './answers.js'

/** 'yes' names the test that shows it; the others say why. */
export type Answer =
  | { readonly status: 'yes'; readonly file: string; readonly test: string; readonly note?: string }
  | { readonly status: 'no' | 'does not apply'; readonly why: string }

export interface Row {
  readonly section: string
  /** Within the section, where it has any. */
  readonly heading: string
  readonly name: string
  /** What OpenTelemetry JS says of itself. */
  readonly js: string
  readonly answer: Answer
}

const withoutSource = (text: string): string => text.replace(/\s*\(specification\/[^)]*\)/, '')

/** Throws for an answer to a row that is not there, and for a row without an answer. */
export function readRows(): Row[] {
  const lines = readFileSync(join(root, 'test/compliance/spec-matrix.md'), 'utf8').split('\n')
  const rows: Row[] = []
  const unused = new Set(Object.keys(answers))
  let section = ''
  let heading = ''
  for (const line of lines) {
    const title = /^## (.+)/.exec(line)?.[1]
    if (title !== undefined) {
      section = title
      heading = ''
    }
    const [, name, js] = /^\| (.+?) \| (.*?)\s*\|$/.exec(line) ?? []
    if (name === undefined || js === undefined || name === 'row' || name === '---') continue
    const group = /^\*\*(.+)\*\*$/.exec(name)?.[1]
    if (group !== undefined) {
      heading = withoutSource(group)
      continue
    }
    const key = [section, heading, withoutSource(name)].filter(part => part !== '').join(' / ')
    const answer = answers[key]
    if (answer === undefined) throw new Error(`no answer to ${key}`)
    unused.delete(key)
    rows.push({ section, heading, name: withoutSource(name), js, answer })
  }
  if (unused.size > 0) throw new Error(`answers to rows that are not there: ${[...unused].join(', ')}`)
  return rows
}

/** COMPLIANCE.md, whole. */
export const complianceDocument = (rows: readonly Row[]): string => `# Compliance with the OpenTelemetry specification

The rows of the specification's compliance matrix that concern tracing (August 2026), what OpenTelemetry JS says of itself,
and our answer to each with the test that shows it. \`npm run compliance\` runs those tests and fails if one that a "yes" names
has not passed. This file is made by \`npm run docs\` from \`test/compliance/answers.ts\`.

${complianceTable(rows)}`

/** The table of COMPLIANCE.md. */
export function complianceTable(rows: readonly Row[]): string {
  const sections = [...new Set(rows.map(({ section }) => section))]
  const counts = sections.map(section => {
    const own = rows.filter(row => row.section === section)
    const yes = own.filter(({ answer }) => answer.status === 'yes').length
    return `| ${section} | ${own.length} | ${yes} | ${own.filter(({ js }) => js === '+').length} |`
  })
  const parts = sections.map(section => {
    let heading = ''
    const lines = rows
      .filter(row => row.section === section)
      .flatMap(row => {
        const head = row.heading === heading || row.heading === '' ? [] : [`| **${row.heading}** | | | |`]
        heading = row.heading
        return [...head, `| ${row.name} | ${row.answer.status} | ${row.js} | ${shown(row.answer)} |`]
      })
    return [
      `## ${section}`,
      '',
      '| row | @org/trace | OpenTelemetry JS | shown by |',
      '| --- | --- | --- | --- |',
      ...lines,
    ]
  })
  const summary = [
    '| section | rows | @org/trace: yes | OpenTelemetry JS: yes |',
    '| --- | --- | --- | --- |',
    ...counts,
  ]
  return `${[summary, ...parts].map(part => part.join('\n')).join('\n\n')}\n`
}

function shown(answer: Answer): string {
  if (answer.status !== 'yes') return escaped(answer.why)
  const note = answer.note === undefined ? '' : `; ${escaped(answer.note)}`
  return `[${answer.file}](${answer.file}): ${escaped(answer.test)}${note}`
}

const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
