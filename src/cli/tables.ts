/** Definitions and the option table as Markdown, for the README. */
import { createTable } from '../config/options.js'
import { type Row, rowsWithPaths } from '../config/row.js'
import type { Instrumentation } from '../instrumentations/define.js'

/** The ranges of versions of each module, which may be entered in several files, and in several ranges. */
export function rangesOf({ modules = [] }: Instrumentation): Map<string, Set<string>> {
  const ranges = new Map<string, Set<string>>()
  for (const { name, versions } of modules) ranges.set(name, (ranges.get(name) ?? new Set()).add(versions))
  return ranges
}

/** One row per module of each library; `tested` are the versions that its tests have passed on, the lowest first. */
export function supportedLibraries(
  definitions: readonly Instrumentation[],
  tested: Readonly<Record<string, readonly string[]>>,
): string {
  return table(
    ['Library', 'Module', 'Versions', 'Lowest tested', 'Newest tested', 'Category'],
    definitions.flatMap(definition =>
      [...rangesOf(definition)].map(([module, versions]) => [
        definition.title,
        code(module),
        [...versions].map(code).join(' and '),
        tested[module]?.[0] ?? '',
        tested[module]?.at(-1) ?? '',
        definition.category,
      ]),
    ),
  )
}

/** One row per option of each library. */
export const libraryOptions = (definitions: readonly Instrumentation[]): string =>
  optionTable(rowsWithPaths(createTable(definitions)).filter(([path]) => isOfLibrary(path)))

/** One row per option that is not of a library. */
export const configuration = (definitions: readonly Instrumentation[]): string =>
  optionTable(rowsWithPaths(createTable(definitions)).filter(([path]) => !isOfLibrary(path)))

const isOfLibrary = (path: string): boolean => path.startsWith('instrumentations.')

const optionTable = (rows: readonly (readonly [string, Row])[]): string =>
  table(
    ['Environment variable', 'Option', 'Default', 'What it is', 'Takes'],
    rows.map(([path, row]) => [
      row.env.map(code).join(', '),
      code(path),
      byDefault(row.default),
      row.about,
      row.kind.expected,
    ]),
  )

function byDefault(value: unknown): string {
  if (value === Number.POSITIVE_INFINITY) return 'no limit'
  if (Array.isArray(value)) return value.length === 0 ? '' : code(value.join(','))
  return value === undefined || typeof value === 'object' ? '' : code(String(value))
}

const code = (text: string): string => `\`${text}\``

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('')
}
