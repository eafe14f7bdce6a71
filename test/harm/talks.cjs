// A child that answers each message with what it got.
process.on('message', message =>
  process.send({ got: message, keys: Object.keys(message), args: process.argv.slice(2) }),
)
