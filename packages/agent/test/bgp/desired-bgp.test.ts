import { type BgpPeer, DEFAULT_BGP_CONFIGURATION, type Node, parseBgpPeer, parseIPPool } from '@margay/model'
import { expect, test } from 'vitest'
import { type BgpInputs, type DesiredPeer, desiredBgp } from '../../src/bgp/desired-bgp.ts'

function node(
  name: string,
  ips: readonly string[],
  extra: { annotations?: Record<string, string>; labels?: Record<string, string> } = {},
): Node {
  return {
    metadata: { name, ...extra },
    status: { addresses: ips.map((address) => ({ type: 'InternalIP', address })) },
  }
}

function peer(name: string, spec: object): BgpPeer {
  const parsed = parseBgpPeer({ metadata: { name }, spec })
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors))
  return parsed.value
}

function pool(spec: object): BgpInputs['pools'][number] {
  const parsed = parseIPPool({ metadata: { name: 'pool' }, spec })
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors))
  return parsed.value
}

const affinity = (cidr: string, spec: object = {}): BgpInputs['affinities'][number] => ({
  metadata: { name: cidr },
  spec: { state: 'confirmed', node: 'a', cidr, ...spec },
})

const NODES = [node('a', ['10.0.0.1', 'fd00::1']), node('b', ['10.0.0.2', 'fd00::2']), node('c', ['10.0.0.3'])]

function inputs(changes: Partial<BgpInputs> = {}): BgpInputs {
  return {
    nodeName: 'a',
    nodes: NODES,
    configuration: DEFAULT_BGP_CONFIGURATION,
    peers: [],
    pools: [pool({ cidr: '10.244.0.0/16' })],
    affinities: [],
    localAddresses: [],
    ...changes,
  }
}

function peersOf(changes: Partial<BgpInputs>): DesiredPeer[] {
  return [...(desiredBgp(inputs(changes))?.peers ?? [])]
}

test('a node that is not known, or has no address, has no speaker', () => {
  expect(desiredBgp(inputs({ nodeName: 'x' }))).toBeUndefined()
  expect(desiredBgp(inputs({ nodes: [node('a', [])] }))).toBeUndefined()
  expect(desiredBgp(inputs({ nodes: [node('a', ['nonsense'])] }))).toBeUndefined()
})

test('the mesh: every other node, each family on its own, the higher address dials', () => {
  const peers = peersOf({})
  expect(peers.map(({ address }) => address)).toEqual(['10.0.0.2', 'fd00::2', '10.0.0.3'])
  expect(peers.every(({ kind, passive }) => kind === 'NodeMesh' && passive)).toBe(true)
  expect(peersOf({ nodeName: 'c' }).map(({ passive }) => passive)).toEqual([false, false])
  expect(peersOf({ configuration: { ...DEFAULT_BGP_CONFIGURATION, nodeToNodeMeshEnabled: false } })).toEqual([])
})

test('a route reflector leaves the mesh and serves the clients that peers name', () => {
  const reflector = node('b', ['10.0.0.2'], {
    annotations: { 'projectcalico.org/RouteReflectorClusterID': '1.0.0.1' },
    labels: { rr: 'yes' },
  })
  const nodes = [node('a', ['10.0.0.1']), reflector, node('c', ['10.0.0.3'])]
  const toReflectors = peer('rr', { nodeSelector: 'all()', peerSelector: "rr == 'yes'" })
  const toClients = peer('clients', { nodeSelector: "rr == 'yes'", peerSelector: '!has(rr)' })
  expect(peersOf({ nodes }).map(({ address }) => address)).toEqual(['10.0.0.3'])
  expect(peersOf({ nodes, peers: [toReflectors] }).map(({ address, kind }) => `${address} ${kind}`)).toEqual([
    '10.0.0.2 NodePeer',
    '10.0.0.3 NodeMesh',
  ])
  const served = peersOf({ nodes, nodeName: 'b', peers: [toReflectors, toClients] })
  expect(served.map(({ address, routeReflectorClient }) => `${address} ${routeReflectorClient}`)).toEqual([
    '10.0.0.1 true',
    '10.0.0.3 true',
  ])
  expect(desiredBgp(inputs({ nodes, nodeName: 'b' }))?.clusterId).toBe('1.0.0.1')
})

test.for(['garbage', '', '0.0.0.0', 'fd00::1', '1.2.3'])('the cluster id %s makes no reflector', (id) => {
  const odd = node('a', ['10.0.0.1'], { annotations: { 'projectcalico.org/RouteReflectorClusterID': id } })
  const desired = desiredBgp(inputs({ nodes: [odd, ...NODES.slice(1)] }))
  expect(desired?.clusterId).toBeUndefined()
  expect(desired?.peers).toHaveLength(2)
})

test('a peer of this node comes before a global one, and both before the mesh', () => {
  const peers = peersOf({
    peers: [
      peer('global', { peerIP: '10.0.0.2', asNumber: 65001 }),
      peer('mine', { peerIP: '10.0.0.2:1790', asNumber: 65002, node: 'a' }),
      peer('theirs', { peerIP: '10.9.9.9', asNumber: 65003, node: 'b' }),
    ],
  })
  expect(peers.find(({ address }) => address === '10.0.0.2')).toMatchObject({
    asn: 65002,
    port: 1790,
    kind: 'NodePeer',
  })
  expect(peers.map(({ address }) => address)).not.toContain('10.9.9.9')
})

test('a node is no peer of itself', () => {
  const self = peer('self', { peerIP: '10.0.0.1', asNumber: 64512 })
  expect(peersOf({ peers: [self] }).map(({ address }) => address)).not.toContain('10.0.0.1')
})

test('AS numbers of nodes, where they are numbers', () => {
  const asn = (text: string): number | undefined =>
    desiredBgp(inputs({ nodes: [node('a', ['10.0.0.1'], { annotations: { 'projectcalico.org/ASNumber': text } })] }))
      ?.asn
  expect(asn('65010')).toBe(65010)
  for (const text of ['-1', '0', '4294967296', 'x', '1.5']) expect(asn(text)).toBe(DEFAULT_BGP_CONFIGURATION.asNumber)
})

test('originates the confirmed blocks of exported pools, and pods outside of them one by one', () => {
  const originated = (changes: Partial<BgpInputs>): readonly string[] | undefined =>
    desiredBgp(inputs(changes))?.originated
  const affinities = [
    affinity('10.244.1.0/26'),
    affinity('10.244.2.0/26', { state: 'pending' }),
    affinity('10.244.3.0/26', { node: 'b' }),
    affinity('10.244.4.0/26', { deleted: true }),
    affinity('10.99.0.0/26'),
    affinity('nonsense'),
  ]
  const localAddresses = ['10.244.1.5', '10.244.3.7', '192.0.2.1']
  expect(originated({ affinities, localAddresses })).toEqual(['10.244.1.0/26', '10.244.3.7/32'])
  const hidden = [pool({ cidr: '10.244.0.0/16', disableBGPExport: true })]
  expect(originated({ affinities, localAddresses, pools: hidden })).toEqual([])
})

test('a node without IPv4 has an identifier of its own, and the same each time', () => {
  const six = desiredBgp(inputs({ nodeName: 'six', nodes: [node('six', ['fd00::6'])] }))
  expect(six?.routerId).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
  expect(six?.routerId).not.toBe('0.0.0.0')
  expect(desiredBgp(inputs({ nodeName: 'six', nodes: [node('six', ['fd00::6'])] }))?.routerId).toBe(six?.routerId)
})
