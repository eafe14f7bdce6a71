/** The measured applications, copied out of this tree: what is installed in it lies within the reach of what runs inside it. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installed } from './install.mjs'

/** The folder of the copies, and where measured processes run. It is removed with this process. */
export const appsFolder = mkdtempSync(join(tmpdir(), 'trace-bench-apps-'))
process.once('exit', () => rmSync(appsFolder, { recursive: true, force: true }))
cpSync(installed(fileURLToPath(new URL('../apps', import.meta.url))), appsFolder, { recursive: true })

export const app = name => join(appsFolder, name)
