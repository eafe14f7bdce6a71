// amqplib 2.
const { dirname } = require('node:path')
const { scenes, crashes } = require('../amqplib.cjs')

module.exports = {
  services: ['rabbitmq'],
  libraries: ['amqplib', 'amqplib/callback_api'],
  scenes: scenes('amqplib', dirname(require.resolve('amqplib'))),
  crashes: crashes('amqplib'),
}
