import { Address, Prefix } from '@margay/net'
import { invalid } from '../errors.ts'
import { invalidValue } from '../field-error.ts'
import { type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../object.ts'
import { objectIn, setDefault } from '../resources/builtin.ts'
import type { Store } from '../store/store.ts'

const NODE_PORT_FIRST = 30_000
const NODE_PORT_LAST = 32_767

/** Gives cluster IPs and node ports to services; what is taken is read from the store, so it can't drift from it. */
export class ServiceAllocator {
  readonly #store: Store
  readonly #range: Prefix
  #next = 10n

  constructor(store: Store, serviceCidr: string) {
    this.#store = store
    this.#range = Prefix.parse(serviceCidr)
  }

  /** Fills in, in place, what a service does not say itself. @throws {ApiError} 422 for addresses in use */
  assign(service: KubeObject, old: KubeObject | undefined): void {
    const spec = objectIn(service, 'spec')
    if (spec['type'] === 'ExternalName') {
      for (const key of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) delete spec[key]
      return
    }
    this.#assignAddress(service, spec, old)
    if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer') this.#assignNodePorts(service, spec, old)
    else for (const port of objectsAt(spec, 'ports')) delete port['nodePort']
  }

  #assignAddress(service: KubeObject, spec: JsonObject, old: KubeObject | undefined): void {
    const before = stringAt(old?.['spec'], 'clusterIP')
    const wanted = stringAt(spec, 'clusterIP') || (stringsAt(spec, 'clusterIPs')[0] ?? '') || before
    const others = this.#others(service)
    if (wanted === '') spec['clusterIP'] = this.#free(new Set(others.map((one) => stringAt(one['spec'], 'clusterIP'))))
    else {
      spec['clusterIP'] = wanted
      if (wanted !== 'None' && wanted !== before) this.#requireFree(service, wanted, others)
    }
    const address = stringAt(spec, 'clusterIP')
    spec['clusterIPs'] = [address, ...stringsAt(spec, 'clusterIPs').slice(1)]
    setDefault(spec, 'ipFamilies', [address.includes(':') ? 'IPv6' : address === 'None' ? this.#family : 'IPv4'])
    setDefault(spec, 'ipFamilyPolicy', 'SingleStack')
  }

  get #family(): string {
    return this.#range.family === 4 ? 'IPv4' : 'IPv6'
  }

  #requireFree(service: KubeObject, wanted: string, others: KubeObject[]): void {
    const address = Address.tryParse(wanted)
    const isTaken = others.some((one) => stringAt(one['spec'], 'clusterIP') === wanted)
    const isOutside = address !== undefined && !this.#range.contains(address)
    if (address === undefined || (!isTaken && !isOutside)) return
    const why = isTaken
      ? 'failed to allocate IP: provided IP is already allocated'
      : `failed to allocate IP ${wanted}: the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${this.#range.toString()}`
    throw invalid('', 'Service', service.metadata.name, [invalidValue('spec.clusterIPs', [wanted], why)])
  }

  #free(taken: Set<string>): string {
    const base = this.#range.address
    const size = this.#range.size
    // The first and the last address stand for the network and its broadcast.
    for (let tries = 0n; tries < size && tries < 1_000_000n; tries++) {
      const offset = 1n + ((this.#next++ - 1n) % (size - 2n))
      const address = base.plus(offset).toString()
      if (!taken.has(address)) return address
    }
    throw invalid('', 'Service', '', [invalidValue('spec.clusterIPs', [], 'failed to allocate IP: range is full')])
  }

  #assignNodePorts(service: KubeObject, spec: JsonObject, old: KubeObject | undefined): void {
    if (spec['allocateLoadBalancerNodePorts'] === false) return
    const taken = new Set(this.#others(service).flatMap((one) => nodePortsOf(one)))
    const before = objectsAt(old?.['spec'], 'ports')
    for (const port of objectsAt(spec, 'ports')) {
      const wanted = numberAt(port, 'nodePort') || 0
      const key = nodePortKey(port, wanted)
      if (wanted !== 0 && taken.has(key)) {
        const why = 'provided port is already allocated'
        throw invalid('', 'Service', service.metadata.name, [invalidValue('spec.ports[0].nodePort', wanted, why)])
      }
      const kept = before.find((one) => one['port'] === port['port'] && one['protocol'] === port['protocol'])
      const nodePort = wanted || numberAt(kept, 'nodePort') || freeNodePort(port, taken)
      port['nodePort'] = nodePort
      taken.add(nodePortKey(port, nodePort))
    }
  }

  #others(service: KubeObject): KubeObject[] {
    const { namespace, name } = service.metadata
    return this.#store
      .list('services')
      .filter((one) => one.metadata.name !== name || one.metadata.namespace !== namespace)
  }
}

function nodePortsOf(service: KubeObject): string[] {
  return objectsAt(objectAt(service, 'spec'), 'ports').flatMap((port) => {
    const nodePort = numberAt(port, 'nodePort')
    return nodePort === undefined ? [] : [nodePortKey(port, nodePort)]
  })
}

function nodePortKey(port: JsonObject, nodePort: number): string {
  return `${stringAt(port, 'protocol')}/${nodePort}`
}

function freeNodePort(port: JsonObject, taken: Set<string>): number {
  for (let nodePort = NODE_PORT_FIRST; nodePort <= NODE_PORT_LAST; nodePort++) {
    if (!taken.has(nodePortKey(port, nodePort))) return nodePort
  }
  throw invalid('', 'Service', '', [invalidValue('spec.ports[0].nodePort', 0, 'range is full')])
}
