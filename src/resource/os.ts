/** The operating system. */
import { release } from 'node:os'
import type { Detector } from './detector.js'

// Node's word -> the convention's, where they differ.
const SYSTEMS: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris', android: 'linux' }

export const os: Detector = () => ({
  attributes: { 'os.type': SYSTEMS[process.platform] ?? process.platform, 'os.version': release() },
})
