import type { Bus } from '@margay/bus'
import { type ApiClient, ApiError, RESOURCES } from '@margay/datastore'
import { Allocator, type AssignRequest, IpamError } from '@margay/ipam'
import {
  type ClusterTopics,
  CONTAINER_ID_ANNOTATION,
  POD_IP_ANNOTATION,
  POD_IPS_ANNOTATION,
  type Pod,
  parseIPPool,
} from '@margay/model'
import { Address } from '@margay/net'
import { NetlinkError, type RouteSocket } from '@margay/netlink'
import type { Logger } from 'pino'
import type { Dataplane } from '../dataplane/dataplane.ts'
import type { EndpointManager } from '../endpoints/endpoint-manager.ts'
import type { EndpointStore } from '../endpoints/endpoint-store.ts'
import { endpointKey, INTERFACE_PREFIX, interfaceNameOf, type LocalEndpoint } from '../endpoints/local-endpoint.ts'
import { readAddressRequest } from './address-request.ts'
import { CniError, CniErrorCode } from './cni-error.ts'
import { type CniRequest, podOf } from './cni-request.ts'
import { formatResult } from './cni-result.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { HOST_MAC, type PodNetwork } from './pod-network.ts'

export interface CniParts {
  readonly nodeName: string
  /** 0: the smallest MTU of the node's own interfaces. */
  readonly mtu: number
  readonly client: ApiClient
  readonly bus: Bus<ClusterTopics>
  readonly store: EndpointStore
  readonly endpoints: EndpointManager
  readonly dataplane: Dataplane
  readonly network: PodNetwork
  readonly host: RouteSocket
  readonly log: Logger
}

/** How long ADD waits for the watch to bring the pod, and for the kernel to have its policy. */
const PROGRAM_TIMEOUT_MS = 20_000
/** DEL goes on without the dataplane after this: a pod must always be deletable. */
const UNPROGRAM_TIMEOUT_MS = 5_000

/** What a new attachment gets. */
interface Placement {
  readonly pod: Pod
  readonly hostInterface: string
  readonly handleId: string
  readonly addresses: readonly Address[]
}

/** What each CNI command does. The methods throw what goes wrong; {@link cniErrorOf} gives it the spec's code. */
export class CniHandlers {
  readonly #parts: CniParts
  readonly #allocator: Allocator
  readonly #interfaces = new KeyedQueue()

  constructor(parts: CniParts) {
    this.#parts = parts
    this.#allocator = new Allocator(parts.client)
  }

  /**
   * Gives the pod its addresses and its interface, and returns when its policy is in the kernel. What was done is undone
   * when a later step fails.
   */
  async add(request: CniRequest): Promise<unknown> {
    const { log } = this.#parts
    const { namespace, name } = podOf(request)
    const handleId = handleIdOf(request)
    const pod = await this.#findPod(namespace, name)
    const hostInterface = this.#freeInterface(namespace, name)
    const old = this.#parts.store.get(request.containerId, request.ifName)
    try {
      if (old !== undefined) {
        log.warn({ endpoint: old }, 'ADD for an attachment that is there: it is made anew')
        await this.delete(request)
      }
      const addresses = await this.#assign(pod, request, handleId)
      return await this.#attach(request, { pod, hostInterface, handleId, addresses })
    } catch (error) {
      await this.#undo(request, handleId)
      throw error
    }
  }

  /** Takes all back. What is not there is no error. @throws {ApiError} API_UNAVAILABLE: to be tried again later */
  async delete(request: Pick<CniRequest, 'containerId' | 'ifName' | 'networkName'>): Promise<void> {
    const endpoint = this.#parts.store.get(request.containerId, request.ifName)
    if (endpoint !== undefined) await this.#detach(endpoint)
    await this.#allocator.releaseByHandle(endpoint?.handleId ?? handleIdOf(request))
    await this.#parts.store.delete(request)
  }

  async check(request: CniRequest): Promise<void> {
    const endpoint = this.#parts.store.get(request.containerId, request.ifName)
    if (endpoint === undefined) {
      throw new CniError(
        CniErrorCode.containerUnknown,
        'there is no such attachment on this node',
        `${request.containerId} ${request.ifName}`,
      )
    }
    for (const text of expectedAddresses(request.prevResult)) {
      if (!endpoint.addresses.includes(text)) {
        throw new CniError(
          CniErrorCode.checkFailed,
          `the pod should have ${text}`,
          `it has ${endpoint.addresses.join(', ')}`,
        )
      }
    }
    await this.#parts.network.check({
      hostInterface: endpoint.interfaceName,
      ifName: request.ifName,
      netnsPath: request.netns,
      addresses: endpoint.addresses.map((text) => Address.parse(text)),
    })
  }

  status(): void {
    const { blockedBy } = this.#parts.dataplane
    if (blockedBy !== undefined)
      throw new CniError(CniErrorCode.notAvailable, 'the kernel cannot be programmed', blockedBy.message)
  }

  /** Takes back every attachment of the network that the runtime does not name. */
  async collectGarbage(request: CniRequest): Promise<void> {
    const valid = new Set(request.validAttachments.map(({ containerID, ifname }) => `${containerID} ${ifname}`))
    const failures: unknown[] = []
    for (const endpoint of this.#parts.store.values()) {
      const { containerId, ifName, handleId } = endpoint
      if (
        valid.has(`${containerId} ${ifName}`) ||
        handleId !== handleIdOf({ networkName: request.networkName, containerId })
      )
        continue
      this.#parts.log.info({ endpoint }, 'GC: the runtime no longer has this attachment')
      await this.delete({ containerId, ifName, networkName: request.networkName }).catch((error: unknown) => {
        failures.push(error)
      })
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  }

  /**
   * The name of the host's end for a pod. It follows from 44 bits of a hash: a pod whose name was made to collide with
   * another's must not take that one's interface. @throws {CniError}
   */
  #freeInterface(namespace: string, name: string): string {
    const hostInterface = interfaceNameOf(namespace, name)
    const owner = this.#parts.endpoints.endpoints.find(({ interfaceName }) => interfaceName === hostInterface)
    if (owner === undefined || (owner.namespace === namespace && owner.pod === name)) return hostInterface
    throw new CniError(
      CniErrorCode.network,
      `the interface name ${hostInterface} of ${namespace}/${name} is in use`,
      `by the pod ${endpointKey(owner)}`,
    )
  }

  async #findPod(namespace: string, name: string): Promise<Pod> {
    const pod = await this.#parts.client.find(RESOURCES.pods, { namespace, name })
    if (pod === undefined) throw new CniError(CniErrorCode.podUnknown, `the pod ${namespace}/${name} is not in the API`)
    return pod
  }

  async #assign(pod: Pod, request: CniRequest, handleId: string): Promise<Address[]> {
    const { bus, nodeName } = this.#parts
    const { namespace = '', name } = pod.metadata
    const namespaceMeta = bus.table('namespaces').get(namespace)?.metadata
    const wanted = readAddressRequest(pod, namespaceMeta?.annotations ?? {})
    const assign: AssignRequest = {
      node: nodeName,
      nodeLabels: { 'kubernetes.io/hostname': nodeName, ...bus.table('nodes').get(nodeName)?.metadata.labels },
      namespaceLabels: { 'projectcalico.org/name': namespace, ...namespaceMeta?.labels },
      handleId,
      attributes: { pod: name, namespace, node: nodeName, timestamp: new Date().toISOString() },
    }
    if (wanted.exact.length > 0) {
      for (const address of wanted.exact) await this.#allocator.assignIp(address, assign)
      return [...wanted.exact]
    }
    const families = this.#families()
    if (families.length === 0) throw new CniError(CniErrorCode.noAddresses, 'there is no enabled IPPool')
    const addresses: Address[] = []
    for (const family of families) {
      const pools = wanted.pools[family]
      addresses.push(await this.#allocator.autoAssign(family, pools === undefined ? assign : { ...assign, pools }))
    }
    return addresses
  }

  /** The IP versions of the enabled pools: what every pod has. */
  #families(): (4 | 6)[] {
    const pools = [...this.#parts.bus.table('ipPools').values()]
      .map(parseIPPool)
      .flatMap((parsed) => ('value' in parsed ? [parsed.value] : []))
    const usable = pools.filter((pool) => !pool.disabled && !pool.terminating && pool.allowedUses.includes('Workload'))
    return ([4, 6] as const).filter((family) => usable.some(({ cidr }) => cidr.family === family))
  }

  async #attach(request: CniRequest, { pod, hostInterface, handleId, addresses }: Placement): Promise<unknown> {
    const mtu = request.mtu ?? (await this.#mtu())
    const { ifName, netns } = request
    // A DEL of an older pod of this name looks at the interface too: one after the other.
    const { endpoint, programmed } = await this.#interfaces.run(hostInterface, async () => {
      const mac = await this.#parts.network.connect({ hostInterface, ifName, netnsPath: netns, addresses, mtu })
      try {
        return await this.#register(request, { pod, hostInterface, handleId, addresses }, mac)
      } catch (error) {
        await this.#parts.network.disconnect(hostInterface)
        throw error
      }
    })
    await Promise.all([this.#annotate(pod, endpoint), this.#ready(endpoint, programmed)])
    const { mac } = endpoint
    return formatResult(request.cniVersion, { hostInterface, hostMac: HOST_MAC, ifName, mac, netns, mtu, addresses })
  }

  /** Puts the endpoint on record and into the desired state. */
  async #register(
    request: CniRequest,
    { pod, hostInterface, handleId, addresses }: Placement,
    mac: string,
  ): Promise<{ endpoint: LocalEndpoint; programmed: Promise<void> }> {
    const { store, endpoints, dataplane } = this.#parts
    const { namespace = '', name } = pod.metadata
    const { ifName, netns, containerId } = request
    const endpoint: LocalEndpoint = {
      containerId,
      ifName,
      netns,
      namespace,
      pod: name,
      interfaceName: hostInterface,
      addresses: addresses.map(String),
      mac,
      handleId,
      createdAt: new Date().toISOString(),
    }
    await store.put(endpoint)
    const { handled, programmed } = dataplane.submit(() => endpoints.add(endpoint))
    await handled
    return { endpoint, programmed }
  }

  /** The pod's labels are known here, and its rules and route are in the kernel. @throws {CniError} when it takes long */
  async #ready(endpoint: LocalEndpoint, programmed: Promise<void>): Promise<void> {
    await within(programmed)
    const key = endpointKey(endpoint)
    const table = this.#parts.bus.table('pods')
    if (table.has(key)) return
    using pods = table.subscribe()
    const known = async (): Promise<void> => {
      for (let batch = await pods.next(); batch !== undefined; batch = await pods.next())
        if (batch.upserts.some(([each]) => each === key)) break
      await this.#parts.dataplane.submit(() => undefined).programmed
    }
    await within(known())
  }

  /**
   * Tells the cluster the pod's addresses at once, before the kubelet does: by way of the status, as the right to patch
   * pods themselves is more than an agent needs.
   */
  async #annotate(pod: Pod, { addresses, containerId }: LocalEndpoint): Promise<void> {
    const cidrs = addresses.map((text) => `${text}/${text.includes(':') ? 128 : 32}`)
    const annotations = {
      [POD_IP_ANNOTATION]: cidrs[0] ?? '',
      [POD_IPS_ANNOTATION]: cidrs.join(','),
      [CONTAINER_ID_ANNOTATION]: containerId,
    }
    const { namespace, name } = pod.metadata
    await this.#parts.client.patch(
      RESOURCES.pods,
      { namespace, name },
      { metadata: { annotations } },
      { subresource: 'status' },
    )
  }

  /** Takes the endpoint out of the kernel; its addresses are still its own afterwards. */
  async #detach(endpoint: LocalEndpoint): Promise<void> {
    const { dataplane, endpoints, network } = this.#parts
    const { programmed } = await this.#interfaces.run(endpoint.interfaceName, async () => {
      const current = endpoints.endpoints.find(({ interfaceName }) => interfaceName === endpoint.interfaceName)
      // A newer pod of the same name may have the interface by now.
      if (current === undefined || current.containerId === endpoint.containerId)
        await network.disconnect(endpoint.interfaceName)
      const submitted = dataplane.submit(() => endpoints.remove(endpoint))
      await submitted.handled
      return submitted
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, UNPROGRAM_TIMEOUT_MS)
    })
    await Promise.race([programmed, late])
    clearTimeout(timer)
  }

  async #undo(request: CniRequest, handleId: string): Promise<void> {
    const { store, log } = this.#parts
    try {
      const endpoint = store.get(request.containerId, request.ifName)
      if (endpoint !== undefined) await this.#detach(endpoint)
      await this.#allocator.releaseByHandle(handleId)
      await store.delete(request)
    } catch (error) {
      // The runtime calls DEL after a failed ADD, and the leak search finds what even that leaves.
      log.error({ err: error, containerId: request.containerId }, 'a failed ADD could not be undone at once')
    }
  }

  async #mtu(): Promise<number> {
    if (this.#parts.mtu > 0) return this.#parts.mtu
    const links = await this.#parts.host.links()
    const own = links.filter(({ name, up }) => up && name !== 'lo' && !name.startsWith(INTERFACE_PREFIX))
    return Math.min(1500, ...own.map(({ mtu }) => mtu))
  }
}

function handleIdOf({ networkName, containerId }: Pick<CniRequest, 'networkName' | 'containerId'>): string {
  return `${networkName}.${containerId}`
}

function expectedAddresses(prevResult: unknown): string[] {
  const { ips } = (prevResult ?? {}) as { ips?: unknown }
  if (!Array.isArray(ips)) return []
  return ips.flatMap((each: unknown) => {
    const { address } = (each ?? {}) as { address?: unknown }
    const text = typeof address === 'string' ? address.split('/', 1)[0] : undefined
    return text === undefined ? [] : [Address.tryParse(text)?.toString() ?? text]
  })
}

async function within(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new CniError(CniErrorCode.tryAgain, "the pod's policy is not in the kernel in time")),
      PROGRAM_TIMEOUT_MS,
    )
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The CNI code for an error of the parts; undefined for a fault of ours. */
export function cniErrorOf(error: unknown): CniError | undefined {
  if (error instanceof CniError) return error
  if (error instanceof IpamError)
    return new CniError(CniErrorCode.noAddresses, error.message, error.code, { cause: error })
  if (error instanceof NetlinkError)
    return new CniError(CniErrorCode.network, error.message, error.code, { cause: error })
  if (error instanceof ApiError) return new CniError(CniErrorCode.tryAgain, error.message, error.code, { cause: error })
  return undefined
}
