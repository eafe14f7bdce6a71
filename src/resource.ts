/** STUB until the real one is here. */
import type { Attributes } from './semconv.js'
import { version } from './version.js'
export function detectResource(config: { serviceName: string }): Attributes {
  return {
    'service.name': config.serviceName,
    'service.instance.id': String(Math.random()),
    'process.pid': process.pid,
    'telemetry.sdk.name': '@org/trace',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
  }
}
