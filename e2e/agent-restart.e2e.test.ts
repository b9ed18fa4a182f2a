/** An agent that dies and comes back: nobody notices. */
import { setTimeout as delay } from 'node:timers/promises'
import { Address } from '@margay/net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Expectation, unmetExpectations } from './src/expectations.ts'
import { readRules, readSets, rewrittenRules } from './src/kernel-snapshot.ts'
import { KernelWatch } from './src/kernel-watch.ts'
import { getJson, LabFixture, type LabNode, type RunningPod } from './src/lab-fixture.ts'
import { namespace, networkPolicy, pod, where } from './src/objects.ts'
import { ProbeServers, ProbeStream } from './src/prober.ts'
import { runIn, runProgram } from './src/run-program.ts'

const PORT = 7000
const PACKETS_PER_SECOND = 1_000
/** Streams run so long before the agent dies, while it is dead, and after it is ready again. */
const [BEFORE_MS, DEAD_MS, AFTER_MS] = [1_000, 1_000, 2_000]

let lab: LabFixture
const servers = new ProbeServers()

beforeAll(async () => {
  lab = await LabFixture.up({ purpose: 'restart', nodes: 3 })
  await lab.apply([
    // a and b live where the agent dies, c elsewhere; all three talk to each other, and d may talk to none of them.
    ...['a', 'b', 'doomed'].map((name) => pod(name, { node: 'node1', labels: { friend: 'yes' } })),
    pod('c', { node: 'node2', labels: { friend: 'yes' } }),
    pod('d', { node: 'node3' }),
    networkPolicy('default/friends', {
      podSelector: { matchLabels: { friend: 'yes' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { friend: 'yes' } } }] }],
      egress: [{ to: [{ podSelector: { matchLabels: { friend: 'yes' } } }] }],
    }),
  ])
  await lab.waitForPods()
  for (const { netns } of await lab.pods()) await servers.start(netns, [PORT])
  await lab.sync()
  await lab.bgpSettled()
  expect(await unmetExpectations(await everyPair())).toEqual([])
})

afterAll(async () => {
  await servers[Symbol.asyncDispose]()
  await lab?.down()
})

function addressOf({ name, ips }: RunningPod, family: 4 | 6): string {
  const found = ips.find((ip) => Address.parse(ip).family === family)
  if (found === undefined) throw new Error(`${name} has no IPv${family} address`)
  return found
}

const FRIENDLESS = new Set(['d', 'hermit'])

/** Every pair of pods: friends reach friends, everyone reaches itself, and that is all. */
async function everyPair(): Promise<Expectation[]> {
  const running = await lab.pods()
  return running.flatMap((from) =>
    running.flatMap((to) =>
      to.ips.flatMap((address) =>
        (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({
          probe: { netns: from.netns, protocol, address, port: PORT },
          allowed: from.name === to.name || (!FRIENDLESS.has(from.name) && !FRIENDLESS.has(to.name)),
          label: `${from.name} → ${to.name}`,
        })),
      ),
    ),
  )
}

async function startStreams(): Promise<ProbeStream[]> {
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(async (name) => lab.pod(`default/${name}`)))
  if (a === undefined || b === undefined || c === undefined) throw new Error('pods are missing')
  const streams = [
    { from: a, to: b, family: 4 },
    { from: b, to: a, family: 6 },
    { from: a, to: c, family: 6 },
    { from: c, to: a, family: 4 },
  ] as const
  return streams.map(
    ({ from, to, family }) =>
      new ProbeStream({
        netns: from.netns,
        address: addressOf(to, family),
        port: PORT,
        packetsPerSecond: PACKETS_PER_SECOND,
      }),
  )
}

/** Tries every pair again and again, without patience, until told to stop. */
function keepProbing(expectations: readonly Expectation[]): {
  stop(): Promise<{ rounds: number; surprises: string[] }>
} {
  const surprises: string[] = []
  let stopped = false
  let rounds = 0
  const done = (async () => {
    for (; !stopped; rounds++) surprises.push(...(await unmetExpectations(expectations, { retryForMs: 0 })))
  })()
  return {
    stop: async () => {
      stopped = true
      await done
      return { rounds, surprises }
    },
  }
}

describe.each(['kill', 'stop'] as const)('after `margay lab node %s`', (action) => {
  test('no packet is lost, no verdict changes, and nothing that was right is written again', async () => {
    const { netns } = lab.node('node1')
    const streams = await startStreams()
    const probing = keepProbing(await everyPair())
    await delay(BEFORE_MS)
    const watch = await KernelWatch.start(lab.nodes.map((node) => node.netns))
    const [rules, sets] = [await readRules(netns), await readSets(netns)]
    await lab.agent(action, 'node1')
    await delay(DEAD_MS)
    const rulesWhileDead = await readRules(netns)
    await lab.agent('start', 'node1')
    await lab.bgpSettled()
    await delay(AFTER_MS)
    const reports = await Promise.all(streams.map(async (stream) => stream.end()))
    const { rounds, surprises } = await probing.stop()
    expect(await watch.close(), 'changes of routes and rules').toEqual([])
    expect(rewrittenRules(rules, rulesWhileDead)).toEqual([])
    expect(rewrittenRules(rulesWhileDead, await readRules(netns))).toEqual([])
    expect(await readSets(netns)).toEqual(sets)
    for (const report of reports) {
      expect(report).toMatchObject({ lost: [], errors: 0, duplicates: 0 })
      expect(report.sent).toBeGreaterThan(((BEFORE_MS + DEAD_MS + AFTER_MS) / 1000) * PACKETS_PER_SECOND * 0.9)
    }
    expect(surprises).toEqual([])
    expect(rounds).toBeGreaterThan(3)
  })
})

describe('pods that come and go while the agent is dead', () => {
  test('are served, and cleaned up, when it is back', async () => {
    const node = lab.node('node1')
    const doomed = await lab.pod('default/doomed')
    const hostInterface = (await endpointsOf(node)).find(({ pod: name }) => name === 'doomed')?.interface ?? ''
    expect(await traces(node, doomed, hostInterface)).toEqual(['endpoint', 'addresses', 'sets', 'routes', 'rules'])
    await servers.stop(doomed.netns)

    await lab.bgpSettled()
    await lab.agent('kill', 'node1')
    await lab.kubectl(['delete', 'pod', 'doomed', '--timeout=20s'])
    await lab.apply([
      pod('young', { node: 'node1', labels: { friend: 'yes' } }),
      pod('hermit', { node: 'node1' }),
      networkPolicy('default/no-friends', { podSelector: where('friend', 'DoesNotExist') }),
    ])
    await lab.agent('start', 'node1')

    await lab.waitForPods()
    for (const name of ['young', 'hermit']) await servers.start((await lab.pod(`default/${name}`)).netns, [PORT])
    await lab.sync()
    expect(await unmetExpectations(await everyPair(), { forgiveLeaks: false })).toEqual([])
    await expect.poll(async () => traces(node, doomed, hostInterface), { timeout: 10_000 }).toEqual([])
  })
})

describe("an interface that looks like a pod's and is none", () => {
  const stranger = { 4: '192.0.2.7', 6: '2001:db8::7' }
  /** The node's own addresses on that interface. */
  const router = { 4: '192.0.2.1', 6: '2001:db8::1' }

  test('carries nothing, whether the agent lives or not', async () => {
    const node = lab.node('node1')
    await lab.apply([namespace('open'), pod('open', { namespace: 'open', node: 'node1' })])
    await lab.waitForPods()
    const open = await lab.pod('open/open')
    // The lab takes away every namespace that is named like its own.
    const foreign = `mgy-${lab.name}-foreign`
    onTestFinished(async () => void (await runProgram(['ip', 'netns', 'delete', foreign])))
    await makeForeignHost(foreign, node.netns)
    for (const netns of [open.netns, foreign, node.netns]) await servers.start(netns, [PORT])
    await lab.sync()
    const attempts = (allowed: boolean): Expectation[] =>
      [
        { label: 'foreign → open', netns: foreign, targets: open.ips },
        { label: 'open → foreign', netns: open.netns, targets: [stranger[4], stranger[6]] },
        { label: 'foreign → node1', netns: foreign, targets: [router[4], router[6]] },
      ].flatMap(({ label, netns, targets }) =>
        targets.map((address) => ({ label, allowed, probe: { netns, protocol: 'UDP', address, port: PORT } })),
      )
    await nameForeignInterface(node.netns, 'plain0')
    expect(await unmetExpectations(attempts(true)), 'by another name').toEqual([])
    await nameForeignInterface(node.netns, 'mgyfoo')
    expect(await unmetExpectations(attempts(false))).toEqual([])
    await lab.bgpSettled()
    await lab.agent('kill', 'node1')
    expect(await unmetExpectations(attempts(false)), 'without an agent').toEqual([])
    await lab.agent('start', 'node1')
    expect(await unmetExpectations(attempts(false)), 'with the next agent').toEqual([])
  })

  async function makeForeignHost(foreign: string, nodeNetns: string): Promise<void> {
    await runProgram(['ip', 'netns', 'add', foreign])
    await runIn(nodeNetns, ['ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', foreign])
    await runIn(foreign, ['ip', 'address', 'add', `${stranger[4]}/24`, 'dev', 'eth0'])
    await runIn(foreign, ['ip', 'address', 'add', `${stranger[6]}/64`, 'dev', 'eth0', 'nodad'])
    await runIn(foreign, ['ip', 'link', 'set', 'eth0', 'up'])
    await runIn(foreign, ['ip', 'route', 'add', 'default', 'via', router[4]])
    await runIn(foreign, ['ip', '-6', 'route', 'add', 'default', 'via', router[6]])
  }

  /** Names the node's end, whatever its name was. */
  async function nameForeignInterface(nodeNetns: string, name: string): Promise<void> {
    const links = JSON.parse(await runIn(nodeNetns, ['ip', '-json', 'link'])) as { ifname: string }[]
    const old = links.find(({ ifname }) => ['veth0', 'plain0'].includes(ifname))?.ifname ?? ''
    await runIn(nodeNetns, ['ip', 'link', 'set', old, 'down'])
    await runIn(nodeNetns, ['ip', 'link', 'set', old, 'name', name])
    await runIn(nodeNetns, ['ip', 'address', 'replace', `${router[4]}/24`, 'dev', name])
    await runIn(nodeNetns, ['ip', 'address', 'replace', `${router[6]}/64`, 'dev', name, 'nodad'])
    await runIn(nodeNetns, ['ip', 'link', 'set', name, 'up'])
  }
})

interface Endpoint {
  readonly pod: string
  readonly interface: string
}

async function endpointsOf({ api }: LabNode): Promise<Endpoint[]> {
  const { endpoints } = await getJson<{ endpoints: Endpoint[] }>(`${api}/api/v1/endpoints`)
  return endpoints
}

/** What a node still has of a pod. */
async function traces(node: LabNode, { name, ips }: RunningPod, hostInterface: string): Promise<string[]> {
  type Blocks = { blocks: { allocations: { address: string }[] }[] }
  const { blocks } = await getJson<Blocks>(`${node.api}/api/v1/ipam/blocks`)
  const sets = await readSets(node.netns)
  const routes = `${await runIn(node.netns, ['ip', '-4', 'route'])}${await runIn(node.netns, ['ip', '-6', 'route'])}`
  const found = {
    endpoint: (await endpointsOf(node)).some((each) => each.pod === name),
    addresses: blocks.some(({ allocations }) => allocations.some(({ address }) => ips.includes(address))),
    sets: ips.some((ip) => sets.some((line) => line.endsWith(` ${ip}`))),
    routes: ips.some((ip) => routes.includes(`${ip} `)) || routes.includes(hostInterface),
    rules: (await readRules(node.netns)).some(({ text }) => text.includes(hostInterface)),
  }
  return Object.entries(found).flatMap(([what, isThere]) => (isThere ? [what] : []))
}
