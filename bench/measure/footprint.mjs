/** What an installation adds to an application: packages and megabytes. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { footprint } from '../lib/install.mjs'
import { root } from '../lib/project.mjs'
import { table } from '../lib/tables.mjs'

const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Packs the package as it would be published and installs that into `folder`. */
export function measureFootprint(folder, peers) {
  mkdirSync(folder, { recursive: true })
  const [{ filename }] = JSON.parse(npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  npm(folder, 'install', '--no-audit', '--no-fund', '--ignore-scripts', join(folder, filename))
  const ours = footprint(folder)
  return { ours, rows: [['ours', ours], ...peers.map(({ product, folder }) => [product, footprint(folder)])] }
}

export const footprintTable = ({ rows }) =>
  table(
    ['', 'packages', 'MB'],
    rows.map(([name, { packages, megabytes }]) => [name, packages, megabytes]),
  )
