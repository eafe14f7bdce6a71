// MQTT.js 5.
const { scenes, crashes } = require('../mqtt.cjs')

module.exports = { services: ['mqtt'], libraries: ['mqtt'], scenes: scenes('mqtt'), crashes: crashes('mqtt') }
