/** An id for this instance of the service. */
import { randomUUID } from 'node:crypto'
import type { Detector } from './detector.js'

export const serviceInstance: Detector = () => ({ attributes: { 'service.instance.id': randomUUID() } })
