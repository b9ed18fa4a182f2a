import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unmetExpectations } from './src/expectations.ts'
import { LabFixture } from './src/lab-fixture.ts'
import {
  expectationsOf,
  type PolicyExample,
  type ProbeEnd,
  readPolicyExamples,
  strayTests,
} from './src/policy-example.ts'
import { ProbeServers } from './src/prober.ts'
import { runIn } from './src/run-program.ts'

// A network outside the cluster (RFC 5737) that the examples go to; it is on the first external host.
const OUTSIDE = '203.0.113.0/24'
const OUTSIDE_PREFIX = '203.0.113.'

const examples = readPolicyExamples()
const servers = new ProbeServers()
const ends = new Map<string, ProbeEnd>()
let lab: LabFixture

function endOf(name: string): ProbeEnd {
  if (name.startsWith(OUTSIDE_PREFIX)) return { netns: endOf('external').netns, addresses: [name] }
  const end = ends.get(name)
  if (end === undefined) throw new Error(`an example speaks of ${name}, which is not there`)
  return end
}

async function addOutsideNetwork(): Promise<void> {
  const { netns, ip } = lab.external('ext1')
  // On a loopback device the whole prefix is the host's own.
  await runIn(netns, ['ip', 'address', 'add', OUTSIDE, 'dev', 'lo'])
  for (const node of lab.nodes) await runIn(node.netns, ['ip', 'route', 'add', OUTSIDE, 'via', ip])
}

async function startServers(): Promise<void> {
  const ports = new Map<string, Set<number>>()
  for (const { to, port } of examples.flatMap(({ probes }) => probes)) {
    const { netns } = endOf(to)
    ports.set(netns, (ports.get(netns) ?? new Set()).add(port))
  }
  await Promise.all([...ports].map(async ([netns, numbers]) => servers.start(netns, [...numbers])))
}

async function applyExample(verb: 'apply' | 'delete', { file, namespaces }: PolicyExample): Promise<void> {
  for (const namespace of namespaces) await lab.kubectl([verb, '--namespace', namespace, '-f', file])
  await lab.sync()
}

beforeAll(async () => {
  lab = await LabFixture.up({ purpose: 'examples', nodes: 3, externals: 2 })
  await addOutsideNetwork()
  await lab.apply(examples.map(({ workloads }) => workloads).join('\n---\n'))
  await lab.waitForPods()
  for (const { namespace, name, netns, ips } of await lab.pods())
    ends.set(`${namespace}/${name}`, { netns, addresses: ips })
  for (const [index, { netns, ip, ip6 }] of lab.externals.entries())
    ends.set(index === 0 ? 'external' : `external${index + 1}`, { netns, addresses: [ip, ip6] })
  await startServers()
  await lab.sync()
})

afterAll(async () => {
  await servers[Symbol.asyncDispose]()
  await lab.down()
})

test('there are at least ten examples, and no test without one', () => {
  expect(examples.length).toBeGreaterThanOrEqual(10)
  expect(strayTests()).toEqual([])
})

test.for(examples)('$name says what it allows and denies, and has probes of both', ({ text, probes }) => {
  expect(text).toMatch(/^# \S/)
  expect(text).toMatch(/^# Allowed: /m)
  expect(text).toMatch(/^# Denied: /m)
  expect(text).not.toMatch(/^apiVersion: (?!networking\.k8s\.io\/v1$)/m)
  expect(new Set(probes.map(({ allow }) => allow))).toEqual(new Set([true, false]))
})

test('without policies every probe of every example passes', async () => {
  expect(await unmetExpectations(examples.flatMap((example) => expectationsOf(example, endOf, false)))).toEqual([])
})

describe.for(examples)('$name', (example) => {
  test('does what it says, and deleting it restores', async () => {
    await applyExample('apply', example)
    expect(await unmetExpectations(expectationsOf(example, endOf, true))).toEqual([])
    await applyExample('delete', example)
    expect(await unmetExpectations(expectationsOf(example, endOf, false))).toEqual([])
  })
})
