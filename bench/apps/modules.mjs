/** Writes the application of 500 ES modules, about 2 MB, into a folder. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const MODULES = 500
const FUNCTIONS = 40

const functionsOf = id =>
  Array.from(
    { length: FUNCTIONS },
    (_, n) => `export function work${n}(order) {
  if (order.total > ${id * n}) return { ...order, step: '${id}-${n}' }
  return order
}
`,
  ).join('')

/** Each module imports the two below it in a binary tree. Returns the entry's path. */
export function writeModules(folder) {
  const name = id => `module-${id}.mjs`
  for (let id = 1; id <= MODULES; id++) {
    const below = [2 * id, 2 * id + 1].filter(child => child <= MODULES)
    const imports = below.map(child => `import * as m${child} from './${name(child)}'\n`).join('')
    writeFileSync(
      join(folder, name(id)),
      `${imports}export const below = [${below.map(child => `m${child}`)}]\n${functionsOf(id)}`,
    )
  }
  const entry = join(folder, 'entry.mjs')
  writeFileSync(entry, `import { writeSync } from 'node:fs'\nimport './${name(1)}'\n\nwriteSync(1, 'ready')\n`)
  return entry
}
