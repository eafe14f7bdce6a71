// sqs-consumer 12.
const { scenes } = require('../sqs-consumer.cjs')

module.exports = {
  services: ['sqs'],
  libraries: ['sqs-consumer'],
  scenes: scenes('sqs-consumer'),
  untraced: ['options that are wrong'],
}
