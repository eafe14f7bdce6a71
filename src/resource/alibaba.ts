/** Alibaba Cloud: machines of its Elastic Compute Service. */
import { type Detector, firmware, objectIn, textOf } from './detector.js'

export const alibaba: Detector = surroundings => {
  if (firmware(surroundings, 'product_name') !== 'Alibaba Cloud ECS') return undefined
  const server = surroundings.servers.alibaba
  return {
    attributes: { 'cloud.provider': 'alibaba_cloud', 'cloud.platform': 'alibaba_cloud_ecs' },
    async more(ask) {
      const [identity, name] = await Promise.all([
        ask(`${server}/latest/dynamic/instance-identity/document`),
        ask(`${server}/latest/meta-data/hostname`),
      ])
      const known = objectIn(identity)
      return {
        'cloud.account.id': textOf(known['owner-account-id']),
        'cloud.region': textOf(known['region-id']),
        'cloud.availability_zone': textOf(known['zone-id']),
        'host.id': textOf(known['instance-id']),
        'host.type': textOf(known['instance-type']),
        'host.image.id': textOf(known['image-id']),
        'host.name': textOf(name),
      }
    },
  }
}
