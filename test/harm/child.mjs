/** The same as child.cjs, as an ES module. */
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runScene } from './child.cjs'

await runScene(library => import(isAbsolute(library) ? pathToFileURL(library) : library))
