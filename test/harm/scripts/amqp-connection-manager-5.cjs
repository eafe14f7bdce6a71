// amqp-connection-manager 5.
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { scenes } = require('../amqp-connection-manager.cjs')

const newest = createRequire(
  join(__dirname, '..', '..', 'versions', 'amqp-connection-manager-5', 'package.json'),
).resolve('amqp-connection-manager')

module.exports = { services: ['rabbitmq'], libraries: [newest], scenes: scenes(newest) }
