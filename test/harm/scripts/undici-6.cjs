// undici 6.
const { createRequire } = require('node:module')
const { join } = require('node:path')

const oldest = createRequire(join(__dirname, '..', '..', 'versions', 'undici-6', 'package.json')).resolve('undici')

module.exports = { libraries: [oldest], scenes: require('../undici.cjs').scenes(oldest) }
