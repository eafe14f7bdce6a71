/** An MQTT broker: Mosquitto, by Debian's package. */
import { freePort } from '../free-port.mjs'
import { converse, serverUrl, start } from './server.mjs'

// MQTT 5.0, sections 3.1 and 3.2: a CONNECT without properties, flags "clean start", client id "probe", and a CONNACK.
const CONNECT = Buffer.from('\x10\x12\0\x04MQTT\x05\x02\0\x3c\0\0\x05probe', 'latin1')
const isAccepted = heard => heard.length >= 4 && heard[0] === 0x20 && heard[3] === 0

export async function mqtt({ atExit }) {
  const url = await serverUrl({
    service: 'MQTT 5',
    given: urlOf(process.env.TEST_MQTT_PORT ?? 1883),
    answers: url => converse(url, CONNECT, isAccepted),
    command: 'mosquitto',
    debian: 'mosquitto',
    async startOwn(lines) {
      const port = await freePort()
      // Without a file of settings it is open to loopback only.
      const { isRunning, kill } = start('mosquitto', ['-p', String(port)], lines)
      atExit.push(kill)
      return { url: urlOf(port), isRunning }
    },
  })
  return { TEST_MQTT_URL: url }
}

const urlOf = port => `mqtt://127.0.0.1:${port}`
