/** Node binaries of other versions, from the npm packages that carry them, kept in .nodes/. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const NODE_PACKAGE = `node-${process.platform}-${process.arch}`

export const cache = join(dirname(dirname(fileURLToPath(import.meta.url))), '.nodes')

/** The path of that Node's binary, installed on first use. */
export function nodeBinary(version) {
  const folder = join(cache, version)
  const node = join(folder, 'node_modules', NODE_PACKAGE, 'bin', 'node')
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    console.log(`installing ${NODE_PACKAGE}@${version}`)
    execFileSync(
      'npm',
      ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `${NODE_PACKAGE}@${version}`],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    )
  }
  return node
}
