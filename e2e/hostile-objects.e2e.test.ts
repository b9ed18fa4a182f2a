/** Malformed and absurd objects through the real kubectl: each gets its clear error, nothing dies, the good ones serve. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GoodCluster } from './src/good-cluster.ts'
import { networkPolicy, pod } from './src/objects.ts'
import { ProgramError } from './src/run-program.ts'

const CALICO = 'projectcalico.org/v3'
const NETWORKING = 'networking.k8s.io/v1'

let cluster: GoodCluster

beforeAll(async () => {
  cluster = await GoodCluster.up('hostile')
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
})

function cluster3(kind: string, name: string, spec: object): object {
  return { apiVersion: CALICO, kind, metadata: { name }, spec }
}

const namespaced = (apiVersion: string, kind: string, spec: object): object => ({
  apiVersion,
  kind,
  metadata: { name: 'bad', namespace: 'default' },
  spec,
})
const badPod = (spec: object): object => namespaced('v1', 'Pod', spec)
const main = { name: 'main', image: 'pause' }
const policy = (spec: object): object => namespaced(NETWORKING, 'NetworkPolicy', { podSelector: {}, ...spec })
const fromBlock = (ipBlock: object): object => policy({ ingress: [{ from: [{ ipBlock }] }] })
const onPort = (port: object): object => policy({ ingress: [{ ports: [port] }] })
const pool = (spec: object): object => cluster3('IPPool', 'bad', { cidr: '10.99.0.0/24', ...spec })
const block = (spec: object): object =>
  cluster3('IPAMBlock', 'bad', { cidr: '10.9.0.0/30', allocations: [], unallocated: [], attributes: [], ...spec })
const withLabels = (labels: object): object => ({
  ...badPod({ containers: [main] }),
  metadata: { name: 'bad', namespace: 'default', labels },
})

/** What is applied, and what the error must name. */
const MALFORMED: readonly (readonly [what: string, object: object | string, error: RegExp])[] = [
  ['text that is no YAML', 'kind: Pod\nmetadata: {name: x\n  spec: [', /error parsing STDIN.*yaml: line/],
  ['a Pod whose containers are a string', badPod({ containers: 'x' }), /Pod.*spec\.containers of type array/],
  ['a Pod without containers', badPod({ containers: [] }), /Pod "bad".*spec\.containers: Required/],
  ['a Pod with an unknown field', badPod({ containers: [main], colour: 1 }), /Pod.*unknown field "spec\.colour"/],
  ['a label value of 64 characters', withLabels({ a: 'x'.repeat(64) }), /Pod "bad".*metadata\.labels.*63/],
  ['a label key with a space', withLabels({ 'a b': 'x' }), /Pod "bad".*metadata\.labels.*"a b"/],
  [
    'a Namespace with capitals',
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'Bad' } },
    /Namespace "Bad".*metadata\.name/,
  ],
  [
    'a Node with an underscore',
    { apiVersion: 'v1', kind: 'Node', metadata: { name: 'b_d' } },
    /Node "b_d".*metadata\.name/,
  ],
  ['a cidr that is none', fromBlock({ cidr: '10.0.0.300/24' }), /"bad".*ingress\[0\]\.from\[0\]\.ipBlock\.cidr/],
  ['an except outside', fromBlock({ cidr: '10.0.0.0/24', except: ['10.1.0.0/24'] }), /"bad".*ipBlock\.except\[0\]/],
  ['a port of 65536', onPort({ port: 65536 }), /"bad".*ingress\[0\]\.ports\[0\]\.port.*65535/],
  ['an endPort before the port', onPort({ port: 90, endPort: 80 }), /"bad".*ports\[0\]\.endPort/],
  ['a protocol without ports', onPort({ port: 80, protocol: 'ICMP' }), /"bad".*ports\[0\]\.protocol.*ICMP/],
  ['a policyType that is none', policy({ policyTypes: ['Sideways'] }), /"bad".*policyTypes\[0\].*Sideways/],
  [
    'an operator that is none',
    policy({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Near', values: ['x'] }] } }),
    /"bad".*matchExpressions\[0\]\.operator/,
  ],
  ['a policy with an unknown field', policy({ ingres: [] }), /unknown field "spec\.ingres"/],
  ['an IPPool without cidr', cluster3('IPPool', 'bad', {}), /IPPool "bad".*spec\.cidr: Required/],
  ['an IPPool whose cidr is none', pool({ cidr: 'x' }), /IPPool "bad".*spec\.cidr/],
  ['a link-local IPPool', pool({ cidr: '169.254.0.0/16' }), /IPPool "bad".*spec\.cidr.*link-local/],
  ['a blockSize of 33', pool({ blockSize: 33 }), /IPPool "bad".*blockSize/],
  ['a pool smaller than a block', pool({ cidr: '10.99.0.0/27', blockSize: 26 }), /IPPool "bad".*block.* does not fit/],
  ['ipipMode Always', pool({ ipipMode: 'Always' }), /IPPool "bad".*spec\.ipipMode.*Never/],
  ['vxlanMode CrossSubnet', pool({ vxlanMode: 'CrossSubnet' }), /IPPool "bad".*spec\.vxlanMode.*Never/],
  ['allowedUses LoadBalancer', pool({ allowedUses: ['LoadBalancer'] }), /IPPool "bad".*spec\.allowedUses\[0\]/],
  ['an IPPool with an unknown field', pool({ colour: 1 }), /unknown field "spec\.colour"/],
  [
    'a BGPConfiguration of another name',
    cluster3('BGPConfiguration', 'bad', {}),
    /BGPConfiguration "bad".*'default' only/,
  ],
  [
    'listenPort 0',
    cluster3('BGPConfiguration', 'default', { listenPort: 0 }),
    /BGPConfiguration "default".*spec\.listenPort/,
  ],
  ['communities', cluster3('BGPConfiguration', 'default', { communities: [] }), /spec\.communities.*not supported/],
  ['a BGPPeer without a peer', cluster3('BGPPeer', 'bad', {}), /BGPPeer "bad".*peerIP and peerSelector/],
  [
    'a BGPPeer without an AS',
    cluster3('BGPPeer', 'bad', { peerIP: '10.0.0.1' }),
    /BGPPeer "bad".*asNumber is required/,
  ],
  [
    'a BGPPeer with a password',
    cluster3('BGPPeer', 'bad', { peerIP: '10.0.0.1', asNumber: 1, password: {} }),
    /spec\.password.*not supported/,
  ],
  [
    'a FelixConfiguration of another name',
    cluster3('FelixConfiguration', 'bad', {}),
    /FelixConfiguration "bad".*'default' only/,
  ],
  [
    'bpfEnabled',
    cluster3('FelixConfiguration', 'default', { bpfEnabled: true }),
    /FelixConfiguration "default".*spec\.bpfEnabled/,
  ],
  [
    'a duration that is none',
    cluster3('FelixConfiguration', 'default', { routeRefreshInterval: 'soon' }),
    /"default".*spec\.routeRefreshInterval/,
  ],
  [
    'a negative maxBlocksPerHost',
    cluster3('IPAMConfiguration', 'default', { maxBlocksPerHost: -1 }),
    /"default".*spec\.maxBlocksPerHost/,
  ],
  [
    'a BlockAffinity in no known state',
    cluster3('BlockAffinity', 'bad', { state: 'maybe', node: 'n', cidr: '10.9.0.0/30' }),
    /BlockAffinity "bad".*spec\.state.*maybe/,
  ],
  ['an allocation that is a word', block({ allocations: ['x'] }), /IPAMBlock "bad".*spec\.allocations\[0\]/],
  ['a block whose cidr is none', block({ cidr: 'x' }), /IPAMBlock "bad".*spec\.cidr/],
  [
    'a handle that counts words',
    cluster3('IPAMHandle', 'bad', { handleID: 'x', block: { '10.9.0.0/30': 'many' } }),
    /IPAMHandle "bad".*spec\.block/,
  ],
  [
    'a Calico NetworkPolicy',
    namespaced(CALICO, 'NetworkPolicy', { selector: 'all()' }),
    /NetworkPolicy "bad".*does not enforce/,
  ],
  [
    'a GlobalNetworkPolicy',
    cluster3('GlobalNetworkPolicy', 'bad', { selector: 'all()' }),
    /GlobalNetworkPolicy "bad".*does not enforce/,
  ],
]

async function refusal(object: object | string): Promise<string> {
  try {
    await cluster.lab.apply(typeof object === 'string' ? object : [object])
  } catch (error) {
    if (error instanceof ProgramError) return error.stderr.replaceAll('\n', ' ')
    throw error
  }
  return 'it was accepted'
}

/** Applies what may be too large for kubectl's own annotation, and deletes it whatever comes. */
async function withObjects(objects: readonly object[], work: () => Promise<void>): Promise<void> {
  const manifest = objects.map((object) => JSON.stringify(object)).join('\n---\n')
  try {
    await cluster.lab.kubectl(['apply', '--server-side', '-f', '-'], { input: manifest })
    await work()
  } finally {
    await cluster.lab.delete(objects)
  }
}

async function expectGoodCluster(): Promise<void> {
  await cluster.lab.sync()
  expect(await cluster.complaints()).toEqual([])
}

describe('malformed objects', () => {
  test.for(MALFORMED)('%s is refused, and the error names it', async ([, object, error]) => {
    expect(await refusal(object)).toMatch(error)
  })

  test('what is immutable stays as it is', async () => {
    const sized = { blockSize: 28, disabled: true }
    await withObjects([pool(sized)], async () => {
      expect(await refusal(pool({ ...sized, cidr: '10.98.0.0/24' }))).toMatch(/spec\.cidr.*immutable/)
      expect(await refusal(pool({ ...sized, blockSize: 27 }))).toMatch(/spec\.blockSize.*immutable/)
    })
  })

  test('the cluster goes on', async () => {
    expect(await cluster.complaints()).toEqual([])
  })
})

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** Waits until an object's field, read with jsonpath, says what it should. */
async function becomes(object: string, path: string, expected: RegExp): Promise<void> {
  await expect
    .poll(async () => cluster.lab.kubectl(['get', object, '-o', `jsonpath={${path}}`]), { timeout: 20_000 })
    .toMatch(expected)
}

describe('objects that the API takes', () => {
  test('a policy of 100 rules and 5,000 blocks, and 100 policies with the longest names for one pod', async () => {
    const cidr = (rule: number, peer: number): string => `${11 + rule}.${peer}.${rule}.${peer}/32`
    const large = networkPolicy('default/large', {
      podSelector: { matchLabels: { app: 'b' } },
      ingress: [
        { from: [{ podSelector: {} }] },
        ...numbers(100).map((rule) => ({
          from: numbers(50).map((peer) => ({ ipBlock: { cidr: cidr(rule, peer) } })),
          ports: numbers(30).map((port) => ({ port: 1000 + 10 * port, endPort: 1005 + 10 * port })),
        })),
      ],
    })
    const many = numbers(100).map((index) =>
      networkPolicy(`default/${String(index).padStart(3, '0')}${'x'.repeat(250)}`, {
        podSelector: { matchLabels: { app: 'b' } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: `${index}` } } }] }],
      }),
    )
    await withObjects([...many, large], async () => {
      await cluster.lab.sync()
      // The pods of the cluster may still reach it: the first rule of the large policy says so.
      expect(await cluster.traffic(true)).toEqual([])
    })
    await expectGoodCluster()
  })

  test('blocks with thousands of exceptions', async () => {
    const except = numbers(4000).map((index) => `10.${100 + (index >> 8)}.${index & 255}.${(index * 7) & 255}/32`)
    const huge = networkPolicy('default/except', {
      podSelector: { matchLabels: { app: 'nobody' } },
      egress: [
        { to: [{ ipBlock: { cidr: '10.0.0.0/8', except } }, { ipBlock: { cidr: '::/0', except: ['::1/128'] } }] },
      ],
    })
    await withObjects([huge, pod('excepting', { node: 'node1', labels: { app: 'nobody' } })], expectGoodCluster)
  })

  test('a pod with labels at their limits', async () => {
    const prefix = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`
    const labels = Object.fromEntries(numbers(200).map((index) => [`${prefix}/k${index}`, 'v'.repeat(63)]))
    const laden = pod('laden', { node: 'node3', labels })
    const selecting = networkPolicy('default/laden', { podSelector: { matchLabels: labels }, ingress: [] })
    await withObjects([laden, selecting], async () => {
      await cluster.lab.kubectl(['wait', '--for=condition=Ready', 'pod/laden', '--timeout=60s'])
      await expectGoodCluster()
    })
  })

  test.for([
    ['not json', 'is not JSON'],
    ['["10.244.0.300"]', 'is no address|no address'],
    ['["10.244.7.7","10.244.7.8"]', 'more than one IPv4'],
    ['["192.0.2.1"]', 'lies in no enabled pool'],
    ['{"a":1}', 'JSON list of strings'],
  ] as const)('a pod that asks for the addresses %s says why it waits', async ([wanted, why]) => {
    const asking = pod('asking', { node: 'node1', annotations: { 'cni.projectcalico.org/ipAddrs': wanted } })
    await withObjects([asking], async () =>
      becomes('pod/asking', '.status.containerStatuses[0].state.waiting.message', new RegExp(why)),
    )
  })

  test('a pod that claims addresses which no set can hold harms nobody', async () => {
    const claim = { 'cni.projectcalico.org/podIPs': '0.0.0.0/32,::/128,nonsense,10.244.0.1%eth0,fe80::1%x' }
    // On every node: it has a set of all pods of the namespace, so of the liar's addresses, too.
    const everyone = networkPolicy('default/everyone', {
      podSelector: { matchLabels: { app: 'b' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: {} }] }],
    })
    const liar = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'liar', namespace: 'default', annotations: claim },
      spec: { containers: [main], nodeSelector: { nowhere: 'yes' } },
    }
    await withObjects([everyone, liar], expectGoodCluster)
  })

  test('pools that overlap, are too small, or have host bits, say so in a condition', async () => {
    const bad = [
      cluster3('IPPool', 'overlaps', { cidr: '10.244.128.0/17' }),
      cluster3('IPPool', 'tiny', { cidr: '10.97.0.0/32', blockSize: 32 }),
      cluster3('IPPool', 'host-bits', { cidr: '10.96.0.1/24' }),
    ]
    const condition = '.status.conditions[?(@.type=="Allocatable")]'
    await withObjects(bad, async () => {
      await becomes('ippool/overlaps', `${condition}.message`, /overlaps 10\.244\.0\.0\/16/)
      await becomes('ippool/host-bits', `${condition}.reason`, /InvalidSpec/)
      await becomes('ippool/tiny', `${condition}.status`, /True/)
      await expectGoodCluster()
    })
  })

  test('peers that are nowhere, impossible, or no addresses cost no session', async () => {
    const bad = [
      cluster3('BGPPeer', 'nowhere', { peerIP: '172.30.0.99', asNumber: 64999 }),
      cluster3('BGPPeer', 'multicast', { peerIP: '224.0.0.1', asNumber: 64999 }),
      cluster3('BGPPeer', 'zero', { peerIP: '0.0.0.0', asNumber: 64999 }),
      cluster3('BGPPeer', 'loopback', { peerIP: '127.0.0.1', asNumber: 64999 }),
      cluster3('BGPPeer', 'linklocal', { peerIP: 'fe80::1', asNumber: 64999 }),
      cluster3('BGPPeer', 'garbage', { peerIP: 'no address', asNumber: 64999 }),
      cluster3('BGPPeer', 'selector', { peerSelector: 'this is (no selector' }),
    ]
    await withObjects(bad, async () => {
      await expectGoodCluster()
      const response = await fetch(`${cluster.lab.node('node1').api}/api/v1/bgp/peers`)
      const { peers } = (await response.json()) as { peers: { address: string; kind: string; state: string }[] }
      const mesh = peers.filter(({ kind }) => kind === 'NodeMesh')
      expect(mesh.map(({ state }) => state)).toEqual(['Established', 'Established', 'Established', 'Established'])
    })
  })

  test('nodes that say nonsense of themselves', async () => {
    const nonsense = {
      'projectcalico.org/ASNumber': '-1',
      'projectcalico.org/RouteReflectorClusterID': 'garbage',
      'projectcalico.org/IPv4Address': 'nowhere/99',
    }
    const stranger = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'stranger', annotations: nonsense } }
    const pairs = Object.entries(nonsense).map(([key, value]) => `${key}=${value}`)
    await withObjects([stranger], async () => {
      await cluster.lab.kubectl(['annotate', 'node', 'node2', ...pairs])
      await expectGoodCluster()
      await cluster.lab.kubectl(['annotate', 'node', 'node2', ...Object.keys(nonsense).map((key) => `${key}-`)])
    })
  })

  test('address records that contradict themselves', async () => {
    const attribute = { handle_id: 'margay.nobody', secondary: { pod: 'x', namespace: 'default', node: 'node1' } }
    const own = { affinity: 'host:node1', attributes: [attribute] }
    const records = [
      block({ ...own, cidr: '10.244.250.0/26', allocations: [0], unallocated: [1, 9999] }),
      {
        ...block({ ...own, cidr: '10.244.251.0/30', allocations: [7, null, null, null] }),
        metadata: { name: 'range' },
      },
      { ...block({ cidr: '10.244.252.7/30', allocations: [null] }), metadata: { name: 'host-bits' } },
      cluster3('BlockAffinity', 'lost', { state: 'confirmed', node: 'node1', cidr: '10.244.253.0/26' }),
      cluster3('BlockAffinity', 'host-bits', { state: 'confirmed', node: 'node2', cidr: '10.244.254.9/26' }),
      cluster3('BlockAffinity', 'gone', { state: 'pending', node: 'no-such-node', cidr: '10.244.255.0/26' }),
      cluster3('IPAMHandle', 'garbage', { handleID: 'garbage', block: { nonsense: 3, '10.244.250.0/26': 5 } }),
    ]
    await withObjects(records, expectGoodCluster)
  })

  test('settings at their limits, and a BGPConfiguration that cannot be read', async () => {
    const settings = [
      cluster3('FelixConfiguration', 'default', {
        iptablesRefreshInterval: '0s',
        ipsetsRefreshInterval: '1ms',
        routeRefreshInterval: '99999999h',
      }),
      cluster3('BGPConfiguration', 'default', { asNumber: 'many' }),
    ]
    await withObjects(settings, expectGoodCluster)
  })
})
