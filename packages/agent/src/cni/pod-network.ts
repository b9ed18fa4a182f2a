import { statSync } from 'node:fs'
import { Address, Prefix } from '@margay/net'
import { isErrno, type NetnsHandle, openNetns, openRoute, type RouteSocket, writeSysctl } from '@margay/netlink'
import type { Logger } from 'pino'
import { CniError, CniErrorCode } from './cni-error.ts'
import { GATEWAY_V4 } from './cni-result.ts'

/** Every host end has this address: a pod's neighbour entry stays true whatever happens to the pair. */
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee'
/** The link-local address that follows from {@link HOST_MAC} (EUI-64). */
const HOST_LINK_LOCAL = Address.parse('fe80::ecee:eeff:feee:eeee')
const DEFAULT_ROUTES = { 4: Prefix.parse('0.0.0.0/0'), 6: Prefix.parse('::/0') } as const
/** Links of this group are on their way out. */
const DOOMED_GROUP = 7779
const DOOM_DELAY_MS = 10

export interface Wiring {
  readonly hostInterface: string
  readonly ifName: string
  readonly netnsPath: string
  readonly addresses: readonly Address[]
  readonly mtu: number
}

/** Makes and removes the veth pairs between this node and its pods. */
export class PodNetwork {
  readonly #host: RouteSocket
  readonly #log: Logger
  #removal: Promise<void> | undefined

  constructor(host: RouteSocket, log: Logger) {
    this.#host = host
    this.#log = log
  }

  /**
   * Wires a pod's namespace: the pair, its addresses, and the pod's default route through the host.
   * @returns the MAC of the pod's end @throws {CniError}
   */
  async connect(wiring: Wiring): Promise<string> {
    const { hostInterface, ifName, netnsPath, mtu } = wiring
    using netns = openPodNetns(netnsPath)
    await using inside = openRoute({ netns })
    // With the host's end of an ADD that was cut short its other end goes, too.
    await this.#removeStale(hostInterface)
    if ((await inside.link(ifName)) !== undefined) {
      throw new CniError(CniErrorCode.network, `${ifName} is already there in the pod's namespace`, netnsPath)
    }
    await this.#host.addLink({
      name: hostInterface,
      kind: 'veth',
      mac: HOST_MAC,
      mtu,
      peer: { name: ifName, netns, mtu },
    })
    try {
      await this.#setUpHost(wiring)
      return await setUpPod(inside, netns, wiring)
    } catch (error) {
      await this.#deleteHostLink(hostInterface)
      throw error
    }
  }

  /**
   * Has the pair removed soon, together with others: the kernel takes 17 ms to unregister one, and 45 ms for a hundred
   * in one group.
   */
  async disconnect(hostInterface: string): Promise<void> {
    try {
      await this.#host.setLink(hostInterface, { up: false, group: DOOMED_GROUP })
    } catch (error) {
      if (!isMissing(error)) throw error
      return
    }
    this.#removal ??= this.#removeDoomed()
  }

  /** Whether the host has the interface and the pod has its addresses and default routes. @throws {CniError} checkFailed */
  async check({ hostInterface, ifName, netnsPath, addresses }: Omit<Wiring, 'mtu'>): Promise<void> {
    const fail = (problem: string): never => {
      throw new CniError(CniErrorCode.checkFailed, problem, netnsPath)
    }
    const host = await this.#host.link(hostInterface)
    if (host?.up !== true) fail(`the host's interface ${hostInterface} is ${host === undefined ? 'not there' : 'down'}`)
    using netns = openPodNetns(netnsPath)
    await using inside = openRoute({ netns })
    const link = await inside.link(ifName)
    if (link?.up !== true) return fail(`the pod's interface ${ifName} is ${link === undefined ? 'not there' : 'down'}`)
    const present = await inside.addresses({ index: link.index })
    for (const address of addresses) {
      if (!present.some((each) => each.address.equals(address))) fail(`the pod's interface ${ifName} lacks ${address}`)
      const routes = await inside.routes({ family: address.family, oif: link.index })
      if (!routes.some(({ dst }) => dst.length === 0))
        fail(`the pod has no IPv${address.family} default route through ${ifName}`)
    }
  }

  /** Waits until what `disconnect` left behind is gone. */
  async settle(): Promise<void> {
    await this.#removal
  }

  async #removeDoomed(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, DOOM_DELAY_MS))
    this.#removal = undefined
    try {
      await this.#host.deleteLinkGroup(DOOMED_GROUP)
    } catch (error) {
      // They are down, without routes or policy, and go with the next ones or with their pods' namespaces.
      if (!isMissing(error)) this.#log.error({ err: error }, 'interfaces of pods that are gone could not be removed')
    }
  }

  /** A pod of the same name was here: its pair has the name that the new one needs. */
  async #removeStale(hostInterface: string): Promise<void> {
    await this.settle()
    await this.#deleteHostLink(hostInterface)
  }

  async #deleteHostLink(hostInterface: string): Promise<void> {
    try {
      await this.#host.deleteLink(hostInterface)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  async #setUpHost({ hostInterface, addresses }: Wiring): Promise<void> {
    const set = (path: string, value: string): void => writeSysctl(undefined, `net/${path}`, value)
    set(`ipv4/conf/${hostInterface}/proxy_arp`, '1')
    set(`ipv4/conf/${hostInterface}/forwarding`, '1')
    set(`ipv4/conf/${hostInterface}/rp_filter`, '1')
    set(`ipv4/neigh/${hostInterface}/proxy_delay`, '0')
    const dualStack = addresses.some(({ family }) => family === 6)
    set(`ipv6/conf/${hostInterface}/disable_ipv6`, dualStack ? '0' : '1')
    if (dualStack) {
      set(`ipv6/conf/${hostInterface}/accept_dad`, '0')
      // A pod must not become the host's router (CVE-2020-13597).
      set(`ipv6/conf/${hostInterface}/accept_ra`, '0')
      set(`ipv6/conf/${hostInterface}/proxy_ndp`, '1')
      set(`ipv6/conf/${hostInterface}/forwarding`, '1')
    }
    await this.#host.setLink(hostInterface, { up: true })
  }
}

async function setUpPod(inside: RouteSocket, netns: NetnsHandle, { ifName, addresses }: Wiring): Promise<string> {
  const loopback = await inside.link('lo')
  if (loopback !== undefined && !loopback.up) await inside.setLink(loopback.index, { up: true })
  if (addresses.some(({ family }) => family === 6)) {
    writeSysctl(netns, `net/ipv6/conf/${ifName}/disable_ipv6`, '0')
    writeSysctl(netns, `net/ipv6/conf/${ifName}/accept_dad`, '0')
    writeSysctl(netns, `net/ipv6/conf/${ifName}/accept_ra`, '0')
  }
  await inside.setLink(ifName, { up: true })
  const link = await inside.link(ifName)
  if (link?.mac === undefined) throw new CniError(CniErrorCode.network, `${ifName} vanished from the pod's namespace`)
  for (const address of addresses) {
    await inside.addAddress(link.index, { address, length: Prefix.host(address).length, noDad: true })
  }
  for (const family of new Set(addresses.map((address) => address.family))) {
    if (family === 4) {
      const gateway = Address.parse(GATEWAY_V4)
      await inside.addRoute({ dst: Prefix.host(gateway), oif: link.index, scope: 'link' })
      await inside.addRoute({ dst: DEFAULT_ROUTES[4], gateway, oif: link.index })
    } else {
      await inside.addRoute({ dst: DEFAULT_ROUTES[6], gateway: HOST_LINK_LOCAL, oif: link.index })
    }
  }
  return link.mac
}

function openPodNetns(path: string): NetnsHandle {
  try {
    // A namespace is a regular file to stat; opening another kind (a pipe, a device) might never return.
    if (!statSync(path).isFile())
      throw new CniError(CniErrorCode.badEnvironment, 'CNI_NETNS is not a network namespace', path)
    return openNetns(path)
  } catch (error) {
    if (error instanceof CniError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new CniError(CniErrorCode.badEnvironment, `CNI_NETNS cannot be opened: ${why}`, path, { cause: error })
  }
}

function isMissing(error: unknown): boolean {
  return isErrno(error, 'ENODEV', 'ENOENT', 'ESRCH', 'EINVAL')
}
