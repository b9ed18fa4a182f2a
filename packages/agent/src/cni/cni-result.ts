import type { Address } from '@margay/net'

export interface AttachedInterface {
  readonly hostInterface: string
  readonly hostMac: string
  readonly ifName: string
  readonly mac: string
  readonly netns: string
  readonly mtu: number
  readonly addresses: readonly Address[]
}

/** The pod's way out: an address that the host answers for by proxy ARP. */
export const GATEWAY_V4 = '169.254.1.1'

/** The success result of ADD in the shape of `cniVersion` (the older name the version of each address). */
export function formatResult(cniVersion: string, attached: AttachedInterface): unknown {
  const modern = cniVersion.startsWith('1.')
  const withMtu = cniVersion === '1.1.0'
  const { hostInterface, hostMac, ifName, mac, netns, mtu, addresses } = attached
  const describe = (fields: object): object => (withMtu ? { ...fields, mtu } : fields)
  return {
    cniVersion,
    interfaces: [describe({ name: hostInterface, mac: hostMac }), describe({ name: ifName, mac, sandbox: netns })],
    ips: addresses.map((address) => ({
      ...(modern ? {} : { version: String(address.family) }),
      address: `${address}/${address.family === 4 ? 32 : 128}`,
      interface: 1,
    })),
    routes: [...new Set(addresses.map(({ family }) => family))].map((family) =>
      family === 4 ? { dst: '0.0.0.0/0', gw: GATEWAY_V4 } : { dst: '::/0' },
    ),
    dns: {},
  }
}
