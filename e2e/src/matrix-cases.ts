/**
 * The cases of the policy matrix, as data. What each must do is what the Kubernetes API reference says, by the mouth of
 * the oracle; those with a table are also written out by hand, so that oracle and compiler can't err together.
 */
import { Prefix } from '@margay/net'
import type { Attempt } from './matrix-cluster.ts'
import { namespace, networkPolicy, where } from './objects.ts'

/** What a case may ask of its cluster. */
interface Addresses {
  address(key: string, family: 4 | 6): string
}

/** A change in the course of a case; the whole matrix is probed after each. */
export interface Step {
  readonly apply?: readonly object[]
  readonly delete?: readonly object[]
  /** Arguments of `kubectl label --overwrite`. */
  readonly label?: readonly string[]
  /** A pod to delete and make again. */
  readonly recreate?: string
  readonly byHand?: ByHand | readonly ByHand[]
}

/** Who reaches whom, by hand: a row per source and a column per target: `x/a x/b x/c y/a y/b y/c z/a z/b z/c`; `+` or `-`. */
export interface ByHand {
  readonly table: string
  /** The attempts that it speaks of; default: all. */
  readonly speaksOf?: Partial<Pick<Attempt, 'protocol' | 'port'>>
}

export interface MatrixCase {
  readonly name: string
  readonly policies: readonly object[] | ((cluster: Addresses) => readonly object[])
  readonly byHand?: ByHand | readonly ByHand[]
  readonly steps?: readonly Step[]
}

type Labels = Record<string, string>
const all = {}
const labelled = (matchLabels: Labels): object => ({ matchLabels })
const pods = (podSelector: object): object => ({ podSelector })
const namespaces = (namespaceSelector: object): object => ({ namespaceSelector })
const podsOf = (namespaceSelector: object, podSelector: object): object => ({ namespaceSelector, podSelector })
const block = (cidr: string, ...except: string[]): object => ({
  ipBlock: except.length > 0 ? { cidr, except } : { cidr },
})
const host = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`
const around = (address: string, length: number): string => String(Prefix.parse(`${address}/${length}`))
const tcp = (port: number | string): object => ({ protocol: 'TCP', port })

/** A policy of namespace x that isolates `target` for ingress and lets in what `rules` say. */
const ingress = (target: object, ...rules: object[]): object =>
  networkPolicy('x/ingress', { podSelector: target, policyTypes: ['Ingress'], ingress: rules })
const egress = (target: object, ...rules: object[]): object =>
  networkPolicy('x/egress', { podSelector: target, policyTypes: ['Egress'], egress: rules })
const from = (...peers: object[]): object => ({ from: peers })
const to = (...peers: object[]): object => ({ to: peers })

const POOL = { 4: '10.244.0.0/16', 6: 'fd00:10:244::/64' } as const
const A = labelled({ pod: 'a' })
const B = labelled({ pod: 'b' })
const C = labelled({ pod: 'c' })
const X = labelled({ ns: 'x' })
const Y = labelled({ ns: 'y' })
const DENY_INGRESS = networkPolicy('x/deny-ingress', { podSelector: {}, policyTypes: ['Ingress'] })
const DENY_EGRESS = networkPolicy('x/deny-egress', { podSelector: {}, policyTypes: ['Egress'] })

const isolation: MatrixCase[] = [
  {
    name: 'no policy: everyone reaches everyone',
    policies: [],
    byHand: {
      table: `
        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++`,
    },
  },
  {
    name: 'deny all ingress of a namespace',
    policies: [DENY_INGRESS],
    byHand: {
      table: `
        +-- +++ +++
        -+- +++ +++
        --+ +++ +++

        --- +++ +++
        --- +++ +++
        --- +++ +++

        --- +++ +++
        --- +++ +++
        --- +++ +++`,
    },
  },
  {
    name: 'deny all egress of a namespace',
    policies: [DENY_EGRESS],
    byHand: {
      table: `
        +-- --- ---
        -+- --- ---
        --+ --- ---

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++`,
    },
  },
  {
    name: 'deny both directions in one policy',
    policies: [networkPolicy('x/deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })],
  },
  {
    name: 'deny all ingress of all namespaces',
    policies: ['x', 'y', 'z'].map((ns) => networkPolicy(`${ns}/deny`, { podSelector: {}, policyTypes: ['Ingress'] })),
  },
  { name: 'an empty rule allows all ingress, over a denial', policies: [DENY_INGRESS, ingress(all, {})] },
  { name: 'an empty rule allows all egress, over a denial', policies: [DENY_EGRESS, egress(all, {})] },
  { name: 'deny ingress of one pod', policies: [ingress(A)] },
  { name: 'deny egress of one pod', policies: [egress(B)] },
  { name: 'without policyTypes and rules: ingress alone', policies: [networkPolicy('x/p', { podSelector: {} })] },
  {
    name: 'without policyTypes, with egress rules: both directions',
    policies: [networkPolicy('x/p', { podSelector: A, egress: [to(pods(B))] })],
    byHand: {
      table: `
        ++- --- ---
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
    },
  },
  {
    name: 'without policyTypes, with an empty list of egress rules: ingress alone',
    policies: [networkPolicy('x/p', { podSelector: {}, egress: [] })],
  },
  {
    name: 'policyTypes Ingress: egress rules mean nothing',
    policies: [networkPolicy('x/p', { podSelector: {}, policyTypes: ['Ingress'], egress: [to(pods(B))] })],
  },
  {
    name: 'policyTypes Egress: ingress rules mean nothing',
    policies: [networkPolicy('x/p', { podSelector: {}, policyTypes: ['Egress'], ingress: [from(pods(B))] })],
  },
  {
    name: 'policyTypes of both with ingress rules alone: no egress',
    policies: [
      networkPolicy('x/p', { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [from(pods(all))] }),
    ],
  },
  {
    name: 'an empty list of ingress rules allows nothing',
    policies: [networkPolicy('x/p', { podSelector: {}, ingress: [] })],
  },
  { name: 'an empty list of peers is every peer', policies: [ingress(all, { from: [], ports: [tcp(80)] })] },
  { name: 'an empty list of ports is every port', policies: [ingress(all, { from: [pods(B)], ports: [] })] },
]

const subjects: MatrixCase[] = [
  { name: 'isolates In', policies: [ingress(where('pod', 'In', 'a', 'c'))] },
  { name: 'isolates NotIn, pods without the label too', policies: [ingress(where('tier', 'NotIn', 'web'))] },
  { name: 'isolates Exists', policies: [ingress(where('tier', 'Exists'))] },
  { name: 'isolates DoesNotExist', policies: [ingress(where('tier', 'DoesNotExist'))] },
  {
    name: 'isolates labels and expressions at once',
    policies: [ingress({ ...labelled({ tier: 'web' }), ...where('pod', 'NotIn', 'b') })],
  },
  { name: 'isolates no pod at all', policies: [ingress(labelled({ pod: 'nobody' }))] },
  { name: 'egress of In', policies: [egress(where('pod', 'In', 'a', 'c'), to(pods(B)))] },
  { name: 'egress of DoesNotExist', policies: [egress(where('tier', 'DoesNotExist'), to(namespaces(Y)))] },
]

const podPeers: MatrixCase[] = [
  {
    name: 'ingress from pods by label, of the own namespace alone',
    policies: [ingress(A, from(pods(B)))],
    byHand: {
      table: `
        +++ +++ +++
        +++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
    },
  },
  { name: 'ingress from pods In', policies: [ingress(all, from(pods(where('pod', 'In', 'a', 'b'))))] },
  { name: 'ingress from pods NotIn', policies: [ingress(all, from(pods(where('tier', 'NotIn', 'web'))))] },
  { name: 'ingress from pods Exists', policies: [ingress(all, from(pods(where('tier', 'Exists'))))] },
  { name: 'ingress from pods DoesNotExist', policies: [ingress(all, from(pods(where('tier', 'DoesNotExist'))))] },
  { name: 'ingress from every pod of the own namespace', policies: [ingress(all, from(pods(all)))] },
  {
    name: 'ingress from pods by two expressions',
    policies: [
      ingress(
        all,
        from(
          pods({
            matchExpressions: [
              { key: 'tier', operator: 'Exists' },
              { key: 'pod', operator: 'NotIn', values: ['a'] },
            ],
          }),
        ),
      ),
    ],
  },
  { name: 'ingress from either of two peers', policies: [ingress(C, from(pods(A), pods(B)))] },
  { name: 'ingress from nobody that there is', policies: [ingress(all, from(pods(labelled({ pod: 'nobody' }))))] },
  { name: 'egress to pods by label', policies: [egress(A, to(pods(B)))] },
  { name: 'egress to pods NotIn', policies: [egress(all, to(pods(where('tier', 'NotIn', 'db'))))] },
  { name: 'egress to every pod of the own namespace', policies: [egress(all, to(pods(all)))] },
]

const namespacePeers: MatrixCase[] = [
  {
    name: 'ingress from a namespace by label',
    policies: [ingress(all, from(namespaces(Y)))],
    byHand: {
      table: `
        +-- +++ +++
        -+- +++ +++
        --+ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        --- +++ +++
        --- +++ +++
        --- +++ +++`,
    },
  },
  { name: 'ingress from namespaces In', policies: [ingress(all, from(namespaces(where('ns', 'In', 'x', 'z'))))] },
  { name: 'ingress from namespaces NotIn', policies: [ingress(all, from(namespaces(where('env', 'NotIn', 'prod'))))] },
  { name: 'ingress from namespaces Exists', policies: [ingress(all, from(namespaces(where('env', 'Exists'))))] },
  {
    name: 'ingress from namespaces DoesNotExist',
    policies: [ingress(all, from(namespaces(where('env', 'DoesNotExist'))))],
  },
  { name: 'ingress from every namespace', policies: [DENY_INGRESS, ingress(all, from(namespaces(all)))] },
  {
    name: 'ingress from a namespace by its name',
    policies: [ingress(all, from(namespaces(labelled({ 'kubernetes.io/metadata.name': 'z' }))))],
  },
  {
    name: 'ingress from pods of a namespace: both must fit',
    policies: [ingress(A, from(podsOf(Y, B)))],
    byHand: {
      table: `
        +++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        +++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
    },
  },
  {
    name: 'ingress from a namespace, or from pods: one must fit',
    policies: [ingress(A, from(namespaces(Y), pods(B)))],
  },
  {
    name: 'ingress from pods by expression of namespaces by expression',
    policies: [ingress(all, from(podsOf(where('env', 'Exists'), where('tier', 'DoesNotExist'))))],
  },
  { name: 'ingress from every pod of every namespace', policies: [ingress(all, from(podsOf(all, all)))] },
  { name: 'egress to a namespace', policies: [egress(all, to(namespaces(Y)))] },
  { name: 'egress to namespaces NotIn', policies: [egress(all, to(namespaces(where('ns', 'NotIn', 'y'))))] },
  { name: 'egress to pods of a namespace', policies: [egress(B, to(podsOf(Y, A)))] },
]

const blocks: MatrixCase[] = [
  {
    name: 'ingress from one address, IPv4',
    policies: (cluster) => [ingress(all, from(block(host(cluster.address('y/a', 4)))))],
  },
  {
    name: 'ingress from one address, IPv6',
    policies: (cluster) => [ingress(all, from(block(host(cluster.address('y/a', 6)))))],
  },
  { name: 'ingress from the pool, IPv4', policies: [ingress(all, from(block(POOL[4])))] },
  {
    name: 'ingress from the pool but for one address, IPv4',
    policies: (cluster) => [ingress(all, from(block(POOL[4], host(cluster.address('z/b', 4)))))],
  },
  {
    name: 'ingress from the pool but for one address, IPv6',
    policies: (cluster) => [ingress(all, from(block(POOL[6], host(cluster.address('z/b', 6)))))],
  },
  { name: 'ingress from all of IPv4', policies: [ingress(all, from(block('0.0.0.0/0')))] },
  { name: 'ingress from all of IPv6', policies: [ingress(all, from(block('::/0')))] },
  { name: 'ingress from all of both', policies: [ingress(all, from(block('0.0.0.0/0'), block('::/0')))] },
  {
    name: 'ingress from elsewhere alone',
    policies: [ingress(all, from(block('192.0.2.0/24'), block('2001:db8::/32')))],
  },
  {
    name: 'ingress from a block but for its halves',
    policies: [ingress(all, from(block('10.244.0.0/16', '10.244.0.0/17', '10.244.128.0/17')))],
  },
  {
    name: "ingress from all but one node's block",
    policies: (cluster) => [ingress(all, from(block('0.0.0.0/0', around(cluster.address('y/a', 4), 26))))],
  },
  {
    name: 'ingress from a block but for several addresses',
    policies: (cluster) => [
      ingress(all, from(block(POOL[4], ...['x/b', 'y/c', 'z/a'].map((key) => host(cluster.address(key, 4)))))),
    ],
  },
  {
    name: 'two blocks, each with its hole, do not fill each other',
    policies: (cluster) => [
      ingress(A, from(block(POOL[4], host(cluster.address('x/b', 4))))),
      networkPolicy('x/second', {
        podSelector: B,
        ingress: [from(block(POOL[4], host(cluster.address('x/a', 4))))],
      }),
    ],
  },
  {
    name: 'the hole of one peer is filled by another',
    policies: (cluster) => [
      ingress(all, from(block(POOL[4], host(cluster.address('z/b', 4))), pods(all), namespaces(labelled({ ns: 'z' })))),
    ],
  },
  {
    name: 'a block with host bits set is the block around it',
    policies: (cluster) => [ingress(all, from(block(`${cluster.address('y/a', 4)}/26`)))],
  },
  {
    name: 'egress to one address, IPv4',
    policies: (cluster) => [egress(all, to(block(host(cluster.address('y/c', 4)))))],
  },
  {
    name: 'egress to the pool but for one block, IPv6',
    policies: (cluster) => [egress(all, to(block(POOL[6], around(cluster.address('y/c', 6), 122))))],
  },
  {
    name: 'egress to all of IPv4 but the pool',
    policies: [egress(all, to(block('0.0.0.0/0', '10.244.0.0/16')))],
  },
  {
    name: 'egress to an address of each family, on one port',
    policies: (cluster) => [
      egress(all, {
        to: [block(host(cluster.address('z/a', 4))), block(host(cluster.address('z/b', 6)))],
        ports: [tcp(81)],
      }),
    ],
  },
]

const many = (first: number, count: number): object[] =>
  Array.from({ length: count }, (_, index) => tcp(first + 2 * index))

const ports: MatrixCase[] = [
  {
    name: 'ingress on one TCP port',
    policies: [ingress(A, { ports: [tcp(80)] })],
    byHand: [
      {
        speaksOf: { protocol: 'TCP', port: 80 },
        table: `
        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++`,
      },
      {
        speaksOf: { protocol: 'TCP', port: 81 },
        table: `
        +++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
      },
      {
        speaksOf: { protocol: 'UDP', port: 80 },
        table: `
        +++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
      },
    ],
  },
  { name: 'a port without protocol is TCP', policies: [ingress(all, { ports: [{ port: 81 }] })] },
  { name: 'ingress on one UDP port', policies: [ingress(all, { ports: [{ protocol: 'UDP', port: 80 }] })] },
  { name: 'ingress on one SCTP port', policies: [ingress(all, { ports: [{ protocol: 'SCTP', port: 81 }] })] },
  { name: 'ingress of a protocol on every port', policies: [ingress(all, { ports: [{ protocol: 'SCTP' }] })] },
  { name: 'no protocol and no port: every TCP port', policies: [ingress(all, { ports: [{}] })] },
  { name: 'ingress on a named port', policies: [ingress(all, { ports: [tcp('serve-81-tcp')] })] },
  {
    name: 'ingress on a port whose name is another number in each pod',
    policies: [ingress(all, { ports: [tcp('varying')] })],
  },
  {
    name: 'a name of another protocol is no port',
    policies: [ingress(all, { ports: [{ protocol: 'UDP', port: 'serve-80-tcp' }] })],
  },
  { name: 'a name that no pod knows is no port', policies: [ingress(all, { ports: [tcp('unknown')] })] },
  {
    name: 'ingress on a named UDP port, from pods',
    policies: [ingress(all, { from: [pods(B)], ports: [{ protocol: 'UDP', port: 'serve-80-udp' }] })],
  },
  {
    name: 'ingress on a named SCTP port',
    policies: [ingress(all, { ports: [{ protocol: 'SCTP', port: 'serve-81-sctp' }] })],
  },
  { name: 'ingress on a range', policies: [ingress(all, { ports: [{ protocol: 'TCP', port: 80, endPort: 81 }] })] },
  {
    name: 'ingress on a range that begins above',
    policies: [ingress(all, { ports: [{ protocol: 'UDP', port: 81, endPort: 90 }] })],
  },
  {
    name: 'ingress on a range that ends below',
    policies: [ingress(all, { ports: [{ protocol: 'SCTP', port: 1, endPort: 80 }] })],
  },
  {
    name: 'ingress on the whole range',
    policies: [ingress(all, { ports: [{ protocol: 'SCTP', port: 1, endPort: 65535 }] })],
  },
  { name: 'a range of one port', policies: [ingress(all, { ports: [{ protocol: 'TCP', port: 81, endPort: 81 }] })] },
  {
    name: 'several ports of several protocols in one rule',
    policies: [ingress(all, { ports: [tcp(80), { protocol: 'UDP', port: 81 }, { protocol: 'SCTP', port: 80 }] })],
  },
  { name: 'more than fifteen ports in one rule', policies: [ingress(all, { ports: many(80, 20) })] },
  {
    name: 'more than fifteen ports, the one that matters last',
    policies: [ingress(all, { ports: [...many(1000, 40), tcp(81)] })],
  },
  {
    name: 'more than fifteen ranges, with names among them',
    policies: [
      ingress(all, {
        ports: [
          ...Array.from({ length: 20 }, (_, index) => ({
            protocol: 'UDP',
            port: 2000 + 10 * index,
            endPort: 2005 + 10 * index,
          })),
          { protocol: 'UDP', port: 70, endPort: 80 },
          tcp('varying'),
        ],
      }),
    ],
  },
  {
    name: 'a peer of one rule and a port of another make no third',
    policies: [ingress(A, { from: [pods(B)], ports: [tcp(80)] }, { from: [pods(C)], ports: [tcp(81)] })],
    byHand: {
      speaksOf: { protocol: 'TCP', port: 81 },
      table: `
        +++ +++ +++
        -++ +++ +++
        +++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
    },
  },
  { name: 'ingress from a namespace on a port', policies: [ingress(all, { from: [namespaces(Y)], ports: [tcp(80)] })] },
  {
    name: 'ingress from a block on a named port',
    policies: (cluster) => [
      ingress(all, {
        from: [block(host(cluster.address('y/a', 4))), block(host(cluster.address('y/b', 6)))],
        ports: [tcp('varying')],
      }),
    ],
  },
  { name: 'egress on one port', policies: [egress(all, { ports: [{ protocol: 'UDP', port: 81 }] })] },
  {
    name: 'egress on a range',
    policies: [egress(all, { to: [namespaces(Y)], ports: [{ protocol: 'TCP', port: 79, endPort: 80 }] })],
  },
  { name: 'egress on a named port, to anyone', policies: [egress(all, { ports: [tcp('serve-80-tcp')] })] },
  {
    name: 'egress on a named port is the number that the peer gives it',
    policies: [egress(all, { to: [namespaces(Y)], ports: [tcp('varying')] })],
  },
  {
    name: 'egress on a named port to pods of the own namespace',
    policies: [egress(A, { to: [pods(all)], ports: [{ protocol: 'SCTP', port: 'serve-80-sctp' }] })],
  },
  {
    name: 'egress on a named port to a block',
    policies: [egress(all, { to: [block(POOL[4])], ports: [tcp('varying')] })],
  },
  { name: 'egress on more than fifteen ports', policies: [egress(all, { to: [pods(all)], ports: many(81, 17) })] },
]

const unions: MatrixCase[] = [
  {
    name: 'two policies let in what either does',
    policies: [
      ingress(A, from(pods(B))),
      networkPolicy('x/second', { podSelector: A, ingress: [from(namespaces(Y))] }),
    ],
    byHand: {
      table: `
        +++ +++ +++
        +++ +++ +++
        -++ +++ +++

        +++ +++ +++
        +++ +++ +++
        +++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
    },
  },
  { name: 'a denial takes nothing back', policies: [DENY_INGRESS, ingress(A, from(pods(B)))] },
  {
    name: 'three policies, each on its port',
    policies: [
      ingress(all, { from: [pods(A)], ports: [tcp(80)] }),
      networkPolicy('x/second', {
        podSelector: {},
        ingress: [{ from: [pods(B)], ports: [{ protocol: 'UDP', port: 80 }] }],
      }),
      networkPolicy('x/third', { podSelector: C, ingress: [{ ports: [{ protocol: 'SCTP' }] }] }),
    ],
  },
  {
    name: 'policies of each namespace keep to their own',
    policies: ['x', 'y', 'z'].map((ns) => networkPolicy(`${ns}/own`, { podSelector: A, ingress: [from(pods(all))] })),
  },
  {
    name: 'both ends must agree',
    policies: [
      networkPolicy('x/out', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [namespaces(Y)], ports: [tcp(80), tcp(81)] }],
      }),
      networkPolicy('y/in', {
        podSelector: A,
        ingress: [{ from: [namespaces(X)], ports: [tcp(81), { protocol: 'UDP', port: 80 }] }],
      }),
    ],
    byHand: {
      // Into y/a from x alone; out of x to y alone.
      speaksOf: { protocol: 'TCP', port: 81 },
      table: `
        +-- +++ ---
        -+- +++ ---
        --+ +++ ---

        +++ +++ +++
        +++ -++ +++
        +++ -++ +++

        +++ -++ +++
        +++ -++ +++
        +++ -++ +++`,
    },
  },
  {
    name: 'ingress and egress rules in one policy',
    policies: [
      networkPolicy('x/p', {
        podSelector: B,
        policyTypes: ['Ingress', 'Egress'],
        ingress: [from(pods(A))],
        egress: [{ to: [namespaces(Y)], ports: [{ protocol: 'UDP', port: 81 }] }],
      }),
    ],
  },
  {
    name: 'thirty policies on one pod',
    policies: Array.from({ length: 30 }, (_, index) =>
      networkPolicy(`x/p${index}`, {
        podSelector: A,
        ingress: [
          { from: [pods(index % 2 === 0 ? B : C)], ports: [tcp(index === 28 ? 80 : index === 29 ? 81 : 3000 + index)] },
        ],
      }),
    ),
  },
]

const changes: MatrixCase[] = [
  {
    name: 'a pod gains and loses the label that lets it in',
    policies: [ingress(A, from(podsOf(all, labelled({ guest: 'yes' }))))],
    byHand: {
      table: `
        +++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++

        -++ +++ +++
        -++ +++ +++
        -++ +++ +++`,
    },
    steps: [
      {
        label: ['pod', 'b', '--namespace=z', 'guest=yes'],
        byHand: {
          table: `
            +++ +++ +++
            -++ +++ +++
            -++ +++ +++

            -++ +++ +++
            -++ +++ +++
            -++ +++ +++

            -++ +++ +++
            +++ +++ +++
            -++ +++ +++`,
        },
      },
      { label: ['pod', 'b', '--namespace=z', 'guest=no'] },
      { label: ['pod', 'b', '--namespace=z', 'guest-'] },
    ],
  },
  {
    name: 'a pod gains and loses the label by which it is isolated',
    policies: [ingress(labelled({ shy: 'yes' })), egress(labelled({ shy: 'yes' }), to(pods(A)))],
    steps: [{ label: ['pod', 'c', '--namespace=x', 'shy=yes'] }, { label: ['pod', 'c', '--namespace=x', 'shy-'] }],
  },
  {
    name: 'a namespace gains, changes and loses a label',
    policies: [ingress(all, from(namespaces(labelled({ env: 'dev' }))))],
    steps: [
      { label: ['namespace', 'z', 'env=dev'] },
      { label: ['namespace', 'y', 'env=prod'] },
      { label: ['namespace', 'z', 'env-'] },
      { label: ['namespace', 'y', 'env=dev'] },
    ],
  },
  {
    name: 'a namespace applied again without a label loses it',
    policies: [ingress(all, from(podsOf(where('env', 'DoesNotExist'), A)))],
    steps: [{ apply: [namespace('y', { ns: 'y' })] }, { apply: [namespace('y', { ns: 'y', env: 'dev' })] }],
  },
  {
    name: 'a policy is narrowed, widened and turned to other pods',
    policies: [ingress(all, from(pods(all)))],
    steps: [
      { apply: [ingress(all, { from: [pods(B)], ports: [tcp(80)] })] },
      { apply: [ingress(all, from(namespaces(all)))] },
      { apply: [ingress(A, from(pods(B)))] },
      { apply: [ingress(C, from(pods(B)))] },
    ],
  },
  {
    name: 'a policy changes its direction',
    policies: [networkPolicy('x/p', { podSelector: A, policyTypes: ['Ingress'] })],
    steps: [
      { apply: [networkPolicy('x/p', { podSelector: A, policyTypes: ['Egress'] })] },
      { apply: [networkPolicy('x/p', { podSelector: A, policyTypes: ['Egress', 'Ingress'] })] },
    ],
  },
  {
    name: 'deleting one of two policies leaves the other',
    policies: [
      ingress(A, from(pods(B))),
      networkPolicy('x/second', { podSelector: A, ingress: [from(namespaces(Y))] }),
    ],
    steps: [{ delete: [ingress(A)] }, { delete: [networkPolicy('x/second', {})] }],
  },
  {
    name: 'two policies share a selector, and one of them goes',
    policies: [
      ingress(A, from(podsOf(Y, B))),
      networkPolicy('z/other', { podSelector: C, ingress: [from(podsOf(Y, B))] }),
    ],
    steps: [{ delete: [ingress(A)] }, { apply: [ingress(A, from(podsOf(Y, B)))] }],
  },
  {
    name: 'a pod that is let in comes back with another address',
    policies: [ingress(A, from(pods(B))), networkPolicy('y/in', { podSelector: {}, ingress: [from(podsOf(X, B))] })],
    steps: [{ recreate: 'x/b' }],
  },
  {
    name: 'an isolated pod comes back with another address',
    policies: [ingress(A, from(pods(C))), egress(A, to(namespaces(Y)))],
    steps: [{ recreate: 'x/a' }],
  },
  {
    name: 'a pod comes back, and its named ports with it',
    policies: [
      egress(all, { to: [namespaces(Y)], ports: [tcp('varying')] }),
      networkPolicy('y/in', { podSelector: B, ingress: [{ ports: [tcp('varying')] }] }),
    ],
    steps: [{ recreate: 'y/b' }],
  },
]

export const MATRIX_CASES: readonly MatrixCase[] = [
  ...isolation,
  ...subjects,
  ...podPeers,
  ...namespacePeers,
  ...blocks,
  ...ports,
  ...unions,
  ...changes,
]
