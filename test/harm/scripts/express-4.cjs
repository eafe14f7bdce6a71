// Express 4.
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { scenes, crashes } = require('../express.cjs')

const oldest = createRequire(join(__dirname, '..', '..', 'versions', 'express-4', 'package.json')).resolve('express')

module.exports = { libraries: [oldest], scenes: scenes(oldest), crashes: crashes(oldest) }
