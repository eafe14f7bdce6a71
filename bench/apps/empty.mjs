/** The same as an ES module. */
import { writeSync } from 'node:fs'

writeSync(1, 'ready')
