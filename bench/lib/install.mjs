/** Installs what a folder of bench/ locks, on first use, and tells how much that is. */
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export function installed(folder) {
  if (!existsSync(join(folder, 'node_modules', '.package-lock.json'))) {
    console.log(`installing ${folder}`)
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--workspaces=false'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  }
  return folder
}

/** Packages and megabytes (10^6 bytes) in an installed folder. */
export function footprint(folder) {
  const modules = join(folder, 'node_modules')
  const { packages } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'))
  const sizes = readdirSync(modules, { recursive: true }).map(file => lstatSync(join(modules, file)))
  const bytes = sizes.reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0)
  return { packages: Object.keys(packages).length, megabytes: bytes / 1e6 }
}

/** The version of a package in an installed folder. */
export const versionOf = (folder, name) =>
  JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version
