/** Copies of this package to measure: what is built now, and the last commit built in a folder of its own. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 30 })

/** The tree as it is, so that a build during the run changes nothing. */
export function workingTree(folder) {
  mkdirSync(folder, { recursive: true })
  for (const name of ['dist', 'src', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** The last commit, built. */
export function lastCommit(folder) {
  mkdirSync(folder, { recursive: true })
  const archive = execFileSync('git', ['archive', 'HEAD'], { cwd: root, maxBuffer: 2 ** 30 })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  return folder
}

/** 'a1b2c3d', with ' and changes' if the tree differs from it. */
export function revision() {
  const changed = git('status', '--porcelain', '--', 'src', 'register.ts', 'build.mjs', 'package.json') !== ''
  return `${git('rev-parse', '--short', 'HEAD').trim()}${changed ? ' and changes' : ''}`
}
