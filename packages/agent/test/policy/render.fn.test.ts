/** What the renderers make is read by the real iptables-restore. */
import { DEFAULT_FELIX_CONFIGURATION, parseNetworkPolicy } from '@margay/model'
import { createNetns, deleteNetns, openNetns } from '@margay/netlink'
import { PolicyCompiler } from '@margay/policy'
import { detectVariant, IpSets, IptablesTable } from 'node-iptables'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FamilyDataplane, PolicyManager } from '../../src/policy/policy-manager.ts'

const NETNS = `mgy-render-${process.pid}`
const BOTH = new Set([4, 6] as const)

let manager: PolicyManager
let compiler: PolicyCompiler
let families: FamilyDataplane[]
let ipSets: IpSets
let netns: ReturnType<typeof openNetns>

beforeAll(async () => {
  createNetns(NETNS)
  netns = openNetns(NETNS)
  const { variant } = await detectVariant()
  ipSets = new IpSets({ setPrefix: 'mgy', netns })
  families = ([4, 6] as const).map((family) => {
    const open = (table: 'raw' | 'nat' | 'filter'): IptablesTable =>
      new IptablesTable({ table, family, variant, chainPrefix: 'mgy-', hashPrefix: 'mgy:', netns })
    return { family, ipSets, tables: { raw: open('raw'), nat: open('nat'), filter: open('filter') } }
  })
  manager = new PolicyManager(families)
  compiler = new PolicyCompiler(manager)
})

afterAll(async () => {
  await ipSets?.close()
  netns?.close()
  deleteNetns(NETNS)
})

/** Writes all to the kernel, and expects that it takes everything and that nothing is left to do. */
async function expectTaken(): Promise<void> {
  expect((await ipSets.applyCreates()).failures).toEqual([])
  for (const { tables } of families) {
    for (const table of Object.values(tables)) {
      expect((await table.apply({ atomic: true })).failures).toEqual([])
      table.markStale()
      expect((await table.apply({ atomic: true })).restores).toBe(0)
    }
  }
  expect((await ipSets.applyDeletes()).failures).toEqual([])
}

const peer = { podSelector: { matchLabels: { app: 'a' } }, namespaceSelector: {} }
const POLICIES: readonly (readonly [name: string, spec: object])[] = [
  ['deny', { policyTypes: ['Ingress', 'Egress'] }],
  ['any', { ingress: [{}], egress: [{}] }],
  ['named', { ingress: [{ from: [peer], ports: [{ port: 'web' }, { port: 'dns', protocol: 'UDP' }] }] }],
  [
    'blocks',
    { egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }, { ipBlock: { cidr: '::/0' } }] }] },
  ],
  [
    'ports',
    {
      ingress: [
        { ports: Array.from({ length: 40 }, (_, index) => ({ port: 100 + 10 * index, endPort: 105 + 10 * index })) },
      ],
    },
  ],
  [
    'protocols',
    { ingress: [{ ports: [{ protocol: 'SCTP', port: 1 }, { protocol: 'UDP' }, { protocol: 'TCP', port: 65535 }] }] },
  ],
  [`${'long.'.repeat(50)}x`, { ingress: [{ from: [peer] }] }],
  ['nonsense', { ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }], ports: [{ port: 0 }] }] }],
]

test('the kernel takes what every kind of policy becomes, and has nothing left to write after', async () => {
  compiler.setNamespace('default', { team: 'x' })
  for (const [name, app] of [
    ['a', 'a'],
    ['b', 'b'],
  ] as const) {
    compiler.setPod(`default/${name}`, {
      metadata: { name, namespace: 'default', labels: { app } },
      spec: {
        containers: [
          {
            name: 'main',
            ports: [
              { name: 'web', containerPort: 80 },
              { name: 'dns', containerPort: 53, protocol: 'UDP' },
            ],
          },
        ],
      },
      status: { podIPs: [{ ip: `10.0.0.${app.charCodeAt(0)}` }, { ip: `fd00::${app}` }, { ip: '0.0.0.0' }] },
    })
    manager.addInterface(`default/${name}`, `mgy0000000000${app}`, BOTH)
    compiler.setEndpoint(`default/${name}`, true)
  }
  await expectTaken()
  for (const [name, spec] of POLICIES) {
    const policy = { metadata: { name, namespace: 'default' }, spec: { podSelector: {}, ...spec } }
    expect(parseNetworkPolicy(policy).name).toBe(name)
    compiler.setPolicy(`default/${name}`, policy)
    await expectTaken()
  }
})

test('other settings, many interfaces, and the way back to nothing', async () => {
  manager.setConfiguration({
    ...DEFAULT_FELIX_CONFIGURATION,
    iptablesFilterDenyAction: 'Reject',
    defaultEndpointToHostAction: 'Accept',
  })
  const names = Array.from({ length: 60 }, (_, index) => `mgy${(index * 0x1234567).toString(16).padStart(11, '0')}`)
  for (const name of names) {
    manager.addInterface(`default/${name}`, name, BOTH)
    compiler.setEndpoint(`default/${name}`, true)
  }
  await expectTaken()
  for (const name of names) {
    manager.removeInterface(`default/${name}`, name)
    compiler.setEndpoint(`default/${name}`, false)
  }
  for (const [name] of POLICIES) compiler.setPolicy(`default/${name}`, undefined)
  await expectTaken()
  const chains = await families[0]?.tables.filter.read()
  expect([...(chains?.keys() ?? [])].filter((name) => name.startsWith('mgy-pi') || name.startsWith('mgy-po'))).toEqual(
    [],
  )
})
