// sqs-consumer 9.
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { scenes } = require('../sqs-consumer.cjs')

const older = createRequire(join(__dirname, '..', '..', 'versions', 'sqs-consumer-9', 'package.json')).resolve(
  'sqs-consumer',
)

module.exports = {
  services: ['sqs'],
  libraries: [older],
  scenes: scenes(older),
  untraced: ['options that are wrong'],
}
