/** The preload: `node --import @org/trace/register app.js`, or `--require`. */
import { isInternalThread, startOnce } from './src/start.js'

if (!isInternalThread) startOnce()
