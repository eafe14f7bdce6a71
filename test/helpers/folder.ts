/** Small applications of several files, packages of their own included. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root } from './root.js'

let folders = 0

/**
 * Writes the files, whose keys are paths in a new folder, and returns that folder, relative to the repository. What is not in
 * a `node_modules` of the folder resolves as in the repository.
 */
export function writeFolder(files: Record<string, string>): string {
  const folder = join(root, 'build', 'apps', `folder-${process.pid}-${++folders}`)
  rmSync(folder, { recursive: true, force: true })
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return relative(root, folder)
}

/** A package of that name: whatever file of it is loaded exports an object with a function `answer`. */
export function fakePackage(name: string, version: string, files: readonly string[] = []): Record<string, string> {
  const folder = `node_modules/${name}`
  const code = 'exports.answer = () => 42\n'
  return {
    [`${folder}/package.json`]: JSON.stringify({ name, version }),
    [`${folder}/index.js`]: code,
    ...Object.fromEntries(files.map(file => [`${folder}/${file}`, code])),
  }
}
