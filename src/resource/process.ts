/** The process and what it runs on. Its arguments are left out, as they may hold secrets. */
import { basename } from 'node:path'
import type { Detector } from './detector.js'

export const thisProcess: Detector = () => ({
  attributes: {
    'process.pid': process.pid,
    'process.executable.name': basename(process.execPath),
    'process.executable.path': process.execPath,
    'process.command': process.argv[1],
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
    'process.runtime.description': 'Node.js',
  },
})
