// undici 7.
module.exports = { libraries: ['undici'], scenes: require('../undici.cjs').scenes('undici') }
