// Express 5, and its router.
const { scenes, crashes } = require('../express.cjs')

module.exports = { libraries: ['express', 'router'], scenes: scenes('express'), crashes: crashes('express') }
