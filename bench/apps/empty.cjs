/** A script that does nothing but say that it runs. */
require('node:fs').writeSync(1, 'ready')
