// MQTT.js 4.
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { scenes, crashes } = require('../mqtt.cjs')

const oldest = createRequire(join(__dirname, '..', '..', 'versions', 'mqtt-4', 'package.json')).resolve('mqtt')

module.exports = { services: ['mqtt'], libraries: [oldest], scenes: scenes(oldest), crashes: crashes(oldest) }
