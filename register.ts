/** The preload: `node --import @org/trace/register app.js`, or `--require`. */
import { startOnce } from './src/start.js'

startOnce()
