// amqp-connection-manager 4.
const { scenes } = require('../amqp-connection-manager.cjs')

module.exports = {
  services: ['rabbitmq'],
  libraries: ['amqp-connection-manager'],
  scenes: scenes('amqp-connection-manager'),
}
