import { createHash } from 'node:crypto'
import type { BgpConfiguration, BgpPeer, BlockAffinity, IPPool, Labels, Node } from '@margay/model'
import { Address, Prefix } from '@margay/net'

/** What the speaker of one node shall do, as plain data: it crosses into the speaker's thread. */
export interface DesiredBgp {
  readonly asn: number
  readonly routerId: string
  readonly clusterId: string | undefined
  readonly listenPort: number
  /** The node's own addresses; the speaker listens on them. */
  readonly localAddresses: readonly string[]
  readonly peers: readonly DesiredPeer[]
  /** Prefixes that this node originates, sorted. */
  readonly originated: readonly string[]
}

export type PeerKind = 'NodeMesh' | 'NodePeer' | 'GlobalPeer'

export interface DesiredPeer {
  readonly address: string
  readonly port: number
  readonly asn: number
  readonly kind: PeerKind
  /** The address family of the session, which carries that family's routes alone (as Calico's two BIRDs do). */
  readonly family: 4 | 6
  readonly localAddress: string | undefined
  readonly passive: boolean
  readonly routeReflectorClient: boolean
  readonly nextHop: 'auto' | 'self' | 'keep'
}

export interface BgpInputs {
  readonly nodeName: string
  readonly nodes: readonly Node[]
  readonly configuration: BgpConfiguration
  readonly peers: readonly BgpPeer[]
  readonly pools: readonly IPPool[]
  readonly affinities: readonly BlockAffinity[]
  /** Addresses of this node's pods: those outside its blocks are originated one by one. */
  readonly localAddresses: readonly string[]
}

const CLUSTER_ID_ANNOTATION = 'projectcalico.org/RouteReflectorClusterID'
const AS_NUMBER_ANNOTATION = 'projectcalico.org/ASNumber'
const NODE_ADDRESS_ANNOTATION = { 4: 'projectcalico.org/IPv4Address', 6: 'projectcalico.org/IPv6Address' } as const
const FAMILIES = [4, 6] as const

/** Pure. Undefined while the node itself, or an address of it, is not known. */
export function desiredBgp(inputs: BgpInputs): DesiredBgp | undefined {
  const { nodeName, nodes, configuration } = inputs
  const self = nodes.find(({ metadata }) => metadata.name === nodeName)
  const addresses =
    self === undefined ? [] : FAMILIES.map((family) => nodeAddress(self, family)).filter((each) => each !== undefined)
  if (self === undefined || addresses.length === 0) return undefined
  return {
    asn: nodeAsn(self, configuration),
    routerId: routerIdOf(self),
    clusterId: clusterIdOf(self),
    listenPort: configuration.listenPort,
    localAddresses: addresses.map(String),
    peers: [...desiredPeers(self, inputs).values()],
    originated: originated(inputs).map(String),
  }
}

/** The node's address of a family: Calico's annotation, else its InternalIP. */
function nodeAddress(node: Node, family: 4 | 6): Address | undefined {
  const annotated = node.metadata.annotations?.[NODE_ADDRESS_ANNOTATION[family]]?.split('/', 1)[0]
  const internal = (node.status?.addresses ?? [])
    .filter(({ type }) => type === 'InternalIP')
    .map(({ address }) => address)
  return [...(annotated === undefined ? [] : [annotated]), ...internal]
    .map((text) => Address.tryParse(text))
    .find((address) => address?.family === family)
}

function nodeAsn(node: Node, configuration: BgpConfiguration): number {
  const annotated = Number(node.metadata.annotations?.[AS_NUMBER_ANNOTATION])
  return Number.isInteger(annotated) && annotated > 0 && annotated <= 0xffffffff ? annotated : configuration.asNumber
}

/** The node's IPv4 address, or (RFC 6286 asks for no more than uniqueness in the AS) 32 bits of a hash of its name. */
function routerIdOf(node: Node): string {
  const address = nodeAddress(node, 4)
  if (address !== undefined) return String(address)
  const hash = createHash('sha256').update(node.metadata.name).digest()
  hash[0] = ((hash[0] ?? 0) % 223) + 1
  return String(Address.fromBytes(hash.subarray(0, 4)))
}

function desiredPeers(self: Node, inputs: BgpInputs): Map<string, DesiredPeer> {
  const peers = new Map<string, DesiredPeer>()
  // The first that names an address wins: explicit peers of this node, then global ones, then the mesh.
  const add = (peer: DesiredPeer | undefined): void => {
    if (peer !== undefined && !peers.has(peer.address)) peers.set(peer.address, peer)
  }
  const explicit = inputs.peers.filter((peer) => appliesTo(peer, self))
  for (const peer of explicit.toSorted((a, b) => Number(isGlobal(a)) - Number(isGlobal(b)))) {
    for (const each of expand(peer, self, inputs)) add(each)
  }
  const { nodeToNodeMeshEnabled } = inputs.configuration
  // A route reflector's clients reach it by BGPPeers: it leaves the mesh.
  if (!nodeToNodeMeshEnabled || isReflector(self)) return peers
  for (const node of inputs.nodes) {
    if (node !== self && !isReflector(node))
      for (const family of FAMILIES) add(nodePeer(self, node, family, 'NodeMesh', inputs))
  }
  return peers
}

function isReflector(node: Node): boolean {
  return clusterIdOf(node) !== undefined
}

/** Undefined for a node that is no route reflector, and for an annotation that is no cluster id. */
function clusterIdOf(node: Node): string | undefined {
  const address = Address.tryParse(node.metadata.annotations?.[CLUSTER_ID_ANNOTATION] ?? '')
  return address?.family === 4 && address.value !== 0n ? String(address) : undefined
}

function isGlobal({ node, nodeSelector }: BgpPeer): boolean {
  return node === undefined && nodeSelector === undefined
}

/** Labels that a node selector sees: the node's own and its name. */
function labelsOf(node: Node): Labels {
  return { 'kubernetes.io/hostname': node.metadata.name, ...node.metadata.labels }
}

function appliesTo(peer: BgpPeer, self: Node): boolean {
  if (peer.node !== undefined) return peer.node === self.metadata.name
  return peer.nodeSelector?.matches(labelsOf(self)) ?? true
}

function expand(peer: BgpPeer, self: Node, inputs: BgpInputs): DesiredPeer[] {
  const kind: PeerKind = isGlobal(peer) ? 'GlobalPeer' : 'NodePeer'
  const nextHop = peer.nextHopMode === 'Self' ? 'self' : peer.nextHopMode === 'Keep' ? 'keep' : 'auto'
  const source = (family: 4 | 6): string | undefined =>
    peer.sourceAddress === 'UseNodeIP' ? nodeAddress(self, family)?.toString() : undefined
  const { peerIp, peerSelector } = peer
  if (peerSelector !== undefined) {
    const others = inputs.nodes.filter((node) => node !== self && peerSelector.matches(labelsOf(node)))
    return others.flatMap((node) =>
      FAMILIES.map((family) => nodePeer(self, node, family, kind, inputs))
        .filter((each) => each !== undefined)
        .map((each) => ({ ...each, nextHop, localAddress: source(each.family) })),
    )
  }
  if (peerIp === undefined || nodeAddress(self, peerIp.family)?.equals(peerIp) === true) return []
  const address = String(peerIp)
  const { family } = peerIp
  const peerNode = inputs.nodes.find((node) => nodeAddress(node, family)?.equals(peerIp))
  return [
    {
      address,
      port: peer.peerPort,
      asn: peer.asNumber ?? inputs.configuration.asNumber,
      kind,
      family,
      localAddress: source(family),
      passive: false,
      routeReflectorClient: isReflector(self) && peerNode !== undefined && !isReflector(peerNode),
      nextHop,
    },
  ]
}

/** A session between two nodes of this cluster; the one with the lower address waits for the other to dial. */
function nodePeer(self: Node, node: Node, family: 4 | 6, kind: PeerKind, inputs: BgpInputs): DesiredPeer | undefined {
  const [own, theirs] = [nodeAddress(self, family), nodeAddress(node, family)]
  if (own === undefined || theirs === undefined || own.equals(theirs)) return undefined
  return {
    address: String(theirs),
    port: inputs.configuration.listenPort,
    asn: nodeAsn(node, inputs.configuration),
    kind,
    family,
    localAddress: String(own),
    passive: Address.compare(own, theirs) < 0,
    routeReflectorClient: isReflector(self) && !isReflector(node),
    nextHop: 'auto',
  }
}

/** The node's confirmed blocks, and its pods' addresses that lie outside them; pools that are not exported left out. */
function originated({ nodeName, pools, affinities, localAddresses }: BgpInputs): Prefix[] {
  const exported = pools.filter((pool) => !pool.disableBgpExport)
  const isExported = (prefix: Prefix): boolean => exported.some(({ cidr }) => cidr.contains(prefix))
  const blocks = localBlocks(nodeName, affinities)
  const strays = localAddresses
    .map((text) => Prefix.host(Address.parse(text)))
    .filter((host) => !blocks.some((block) => block.contains(host)))
  return [...blocks, ...strays].filter(isExported).toSorted(Prefix.compare)
}

/** The blocks that are this node's for certain. */
export function localBlocks(nodeName: string, affinities: readonly BlockAffinity[]): Prefix[] {
  return affinities
    .filter(
      ({ spec }) =>
        spec.node === nodeName &&
        spec.state === 'confirmed' &&
        spec.deleted !== true &&
        (spec.type ?? 'host') === 'host',
    )
    .map(({ spec }) => Prefix.tryParse(spec.cidr))
    .filter((prefix) => prefix !== undefined)
}
