/** The preload: `node --import @org/trace/register app.js`, or `--require`. */
import { isInternalThread } from 'node:worker_threads'
import { startOnce } from './src/start.js'

// Node runs what is required first in the thread of module loaders too; from 22.14 it tells.
if (!isInternalThread) startOnce()
