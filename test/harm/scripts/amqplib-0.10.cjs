// amqplib 0.10.
const { createRequire } = require('node:module')
const { dirname, join } = require('node:path')
const { scenes, crashes } = require('../amqplib.cjs')

const oldest = createRequire(join(__dirname, '..', '..', 'versions', 'amqplib-0.10', 'package.json')).resolve('amqplib')
const callbacks = join(dirname(oldest), 'callback_api.js')

module.exports = {
  services: ['rabbitmq'],
  libraries: [oldest, callbacks],
  scenes: scenes(oldest, dirname(oldest)),
  crashes: crashes(oldest),
}
