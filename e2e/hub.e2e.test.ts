/** The agents hear the cluster through the hub; without it, and without the API server, nothing that is right changes. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GoodCluster } from './src/good-cluster.ts'
import { networkPolicy } from './src/objects.ts'
import { runIn } from './src/run-program.ts'

const DENY = networkPolicy('default/deny-b', { podSelector: { matchLabels: { app: 'b' } }, ingress: [] })

let cluster: GoodCluster
const before = new Map<string, string>()
/** The counters when they were last seen. */
const floor = new Map<string, number>()

beforeAll(async () => {
  cluster = await GoodCluster.up('hub')
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
})

async function sources(): Promise<string[]> {
  return Promise.all(
    cluster.lab.nodes.map(async ({ api }) => {
      const metrics = await (await fetch(`${api}/metrics`)).text()
      return /^margay_feed_source\{source="(\w+)"\} 1$/m.exec(metrics)?.[1] ?? 'unknown'
    }),
  )
}

async function expectSource(source: 'hub' | 'api'): Promise<void> {
  await expect.poll(sources, { timeout: 30_000 }).toEqual([source, source, source])
}

/** Everything of ours in a node's kernel that a rewrite would change, and its counters. */
async function kernelOf(netns: string): Promise<{ text: string; counters: Map<string, number> }> {
  const saved = await Promise.all([
    runIn(netns, ['iptables-save', '-c']),
    runIn(netns, ['ip6tables-save', '-c']),
    runIn(netns, ['ip', 'route', 'show', 'proto', '77']),
    runIn(netns, ['ip', '-6', 'route', 'show', 'proto', '77']),
    runIn(netns, ['sh', '-c', 'ipset save | sort']),
  ])
  const counters = new Map<string, number>()
  const lines = saved.flatMap((text, index) =>
    text.split('\n').flatMap((line) => {
      const [, packets, rule] = /^\[(\d+):\d+\] (-A mgy-.*)$/.exec(line) ?? []
      if (rule !== undefined) counters.set(`${index} ${rule}`, Number(packets))
      if (line.startsWith('#')) return []
      return [line.replace(/\[\d+:\d+\]/, '[]')]
    }),
  )
  return { text: lines.join('\n'), counters }
}

/** Nothing was rewritten: the text is the same, and no counter began anew. */
async function expectKernelsAsBefore(): Promise<void> {
  for (const { name, netns } of cluster.lab.nodes) {
    const { text, counters } = await kernelOf(netns)
    expect(text).toBe(before.get(name))
    for (const [rule, packets] of counters)
      expect(packets, `${name}: ${rule}`).toBeGreaterThanOrEqual(floor.get(`${name} ${rule}`) ?? 0)
    for (const [rule, packets] of counters) floor.set(`${name} ${rule}`, packets)
  }
}

async function rememberKernels(): Promise<void> {
  await cluster.lab.sync()
  for (const { name, netns } of cluster.lab.nodes) {
    const { text, counters } = await kernelOf(netns)
    before.set(name, text)
    for (const [rule, packets] of counters) floor.set(`${name} ${rule}`, packets)
  }
}

async function expectPolicyTakesHold(): Promise<void> {
  await cluster.lab.apply([DENY])
  await cluster.lab.sync()
  expect(await cluster.traffic(false)).toEqual([])
  await cluster.lab.delete([DENY])
  await cluster.lab.sync()
  expect(await cluster.traffic(true)).toEqual([])
}

test('the agents use the hub', async () => {
  await expectSource('hub')
  await expectPolicyTakesHold()
})

test('the hub is killed: the agents watch the API server, and what was right stays untouched', async () => {
  await rememberKernels()
  await cluster.lab.agent('kill', 'kube-controllers')
  await expectSource('api')
  await cluster.lab.sync()
  await expectKernelsAsBefore()
  await expectPolicyTakesHold()
})

test('the hub is back: the agents return, and what was right stays untouched', async () => {
  await rememberKernels()
  await cluster.lab.agent('start', 'kube-controllers')
  await expectSource('hub')
  await expectKernelsAsBefore()
  await expectPolicyTakesHold()
})

test('hub and API server are away: traffic and policy go on; back again, what was missed takes hold', async () => {
  await rememberKernels()
  const { netns } = cluster.lab.node('node2')
  const rule = [
    'OUTPUT',
    '-p',
    'tcp',
    '-m',
    'multiport',
    '--dports',
    '5473,6443',
    '-j',
    'REJECT',
    '--reject-with',
    'tcp-reset',
  ]
  await runIn(netns, ['iptables', '-I', ...rule])
  try {
    await expect.poll(async () => (await sources())[1], { timeout: 30_000 }).toBe('api')
    await cluster.lab.apply([DENY])
    await delay(500)
    // Node 2, where good-b is, has not heard of it.
    expect(await cluster.traffic(true)).toEqual([])
  } finally {
    await runIn(netns, ['iptables', '-D', ...rule])
  }
  await cluster.lab.sync()
  expect(await cluster.traffic(false)).toEqual([])
  await cluster.lab.delete([DENY])
  await expectSource('hub')
  await cluster.lab.sync()
  for (const { name, netns: each } of cluster.lab.nodes) expect((await kernelOf(each)).text).toBe(before.get(name))
  await cluster.acceptProcesses()
  expect(await cluster.complaints()).toEqual([])
})
