/** What every tutorial on Kubernetes networking shows, done as they do it: with kubectl. */
import { Address } from '@margay/net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DatagramSink } from './src/datagram-sink.ts'
import { type Expectation, unmetExpectations } from './src/expectations.ts'
import { LabFixture, type RunningPod } from './src/lab-fixture.ts'
import { networkPolicy, pod } from './src/objects.ts'
import { fireProbes, ProbeServers } from './src/prober.ts'
import { ProgramError, runIn } from './src/run-program.ts'

const PORT = 7000
const HTTP_PORT = 8080
const CLIENTS = ['a', 'c'] as const

let lab: LabFixture
const servers = new ProbeServers()
const pods = new Map<string, RunningPod>()

beforeAll(async () => {
  lab = await LabFixture.up({ purpose: 'tutorial', nodes: 3, externals: 1 })
  const netexec = {
    image: 'registry.k8s.io/e2e-test-images/agnhost:2.53',
    args: ['netexec', `--http-port=${HTTP_PORT}`],
  }
  await lab.apply([
    pod('a', { node: 'node1', labels: { app: 'a' }, image: 'busybox', args: ['sleep', '3600'] }),
    pod('b', { node: 'node1', labels: { app: 'b' }, ...netexec }),
    pod('c', { node: 'node2', labels: { app: 'c' }, image: 'busybox', args: ['sleep', '3600'] }),
    pod('d', { node: 'node3', labels: { app: 'd' }, ...netexec }),
  ])
  await lab.waitForPods()
  for (const running of await lab.pods()) pods.set(running.name, running)
  const netnses = [...pods.values(), lab.external('ext1')].map(({ netns }) => netns)
  await Promise.all(netnses.map(async (netns) => servers.start(netns, [PORT])))
  await lab.sync()
})

afterAll(async () => {
  await servers[Symbol.asyncDispose]()
  await lab?.down()
})

function running(name: string): RunningPod {
  const found = pods.get(name)
  if (found === undefined) throw new Error(`no pod ${name}`)
  return found
}

function address(name: string, family: 4 | 6): string {
  const found = running(name).ips.find((ip) => Address.parse(ip).family === family)
  if (found === undefined) throw new Error(`${name} has no IPv${family} address`)
  return found
}

async function exec(from: string, ...command: string[]): Promise<string> {
  return lab.kubectl(['exec', from, '--', ...command])
}

async function get(from: string, to: string, path: string, family: 4 | 6): Promise<string> {
  const host = family === 4 ? address(to, 4) : `[${address(to, 6)}]`
  return exec(from, 'wget', '-q', '-O', '-', '-T', '1', '-t', '1', `http://${host}:${HTTP_PORT}${path}`)
}

/** Which of the clients get an answer from `to`, over each family. */
async function clientsOf(to: string): Promise<Record<string, boolean>> {
  const asked = CLIENTS.flatMap((from) => ([4, 6] as const).map((family) => ({ from, family })))
  const answers = asked.map(async ({ from, family }): Promise<[string, boolean]> => {
    const answered = await get(from, to, '/healthz', family).catch((error: unknown) => {
      if (error instanceof ProgramError) return ''
      throw error
    })
    return [`${from} IPv${family}`, answered === 'ok']
  })
  return Object.fromEntries(await Promise.all(answers))
}

function clients(a: boolean, c: boolean): Record<string, boolean> {
  return { 'a IPv4': a, 'a IPv6': a, 'c IPv4': c, 'c IPv6': c }
}

/** TCP, UDP and SCTP from a namespace to an address of each family. */
function probes(
  label: string,
  netns: string,
  targets: readonly { readonly address: string; readonly source?: string }[],
  allowed: boolean,
): Expectation[] {
  return targets.flatMap(({ address: target, source }) =>
    (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({
      probe: { netns, protocol, address: target, port: PORT },
      allowed,
      label,
      ...(source === undefined ? {} : { source }),
    })),
  )
}

function toPod(name: string): { address: string }[] {
  return running(name).ips.map((each) => ({ address: each }))
}

describe.each([4, 6] as const)('IPv%i', (family) => {
  test.each([
    ['one node', 'a', 'b'],
    ['two nodes', 'a', 'd'],
  ])('pods on %s ping each other', async (_where, from, to) => {
    expect(await exec(from, 'ping', '-c', '2', '-i', '0.2', '-W', '2', address(to, family))).toContain('2 received')
  })

  test.each([
    ['one node', 'a', 'b'],
    ['two nodes', 'c', 'd'],
  ])('pods on %s see each other without NAT', async (_where, from, to) => {
    expect(await get(from, to, '/clientip', family)).toMatch(`${address(from, family)}:`)
  })

  test('what leaves the cluster has the address of its node', async () => {
    const external = lab.external('ext1')
    const source = family === 4 ? lab.node('node1').ip : lab.node('node1').ip6
    const target = { address: family === 4 ? external.ip : external.ip6, source }
    expect(await unmetExpectations(probes('a to outside', running('a').netns, [target], true))).toEqual([])
  })

  test('what comes from outside keeps its address', async () => {
    const external = lab.external('ext1')
    const target = { address: address('d', family), source: family === 4 ? external.ip : external.ip6 }
    expect(await unmetExpectations(probes('outside to d', external.netns, [target], true))).toEqual([])
  })
})

describe('policies', () => {
  const denyAll = networkPolicy('default/default-deny', { podSelector: {}, policyTypes: ['Ingress'] })
  const allowAToB = networkPolicy('default/allow-a-to-b', {
    podSelector: { matchLabels: { app: 'b' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'a' } } }] }],
  })

  test('default-deny blocks, allow-a-to-b lets a in and keeps c out, deleting restores', async () => {
    expect(await clientsOf('b')).toEqual(clients(true, true))
    await lab.apply([denyAll])
    await lab.sync()
    expect(await clientsOf('b')).toEqual(clients(false, false))
    await lab.apply([allowAToB])
    await lab.sync()
    expect(await clientsOf('b')).toEqual(clients(true, false))
    await lab.kubectl(['delete', 'networkpolicy', 'default-deny'])
    await lab.sync()
    expect(await clientsOf('b')).toEqual(clients(true, false))
    await lab.kubectl(['delete', 'networkpolicy', 'allow-a-to-b'])
    await lab.sync()
    expect(await clientsOf('b')).toEqual(clients(true, true))
  })

  test('a node reaches its own pods though they are isolated, and no other node does', async () => {
    await lab.apply([denyAll])
    await lab.sync()
    const own = probes('node1 to a', lab.node('node1').netns, toPod('a'), true)
    const others = probes('node2 to a', lab.node('node2').netns, toPod('a'), false)
    expect(await unmetExpectations([...own, ...others])).toEqual([])
    await lab.delete([denyAll])
  })

  test('answers come back to a pod that nothing may reach, and to one that may reach nothing', async () => {
    const denyIngress = networkPolicy('default/a-hears-nothing', {
      podSelector: { matchLabels: { app: 'a' } },
      policyTypes: ['Ingress'],
    })
    const denyEgress = networkPolicy('default/d-says-nothing', {
      podSelector: { matchLabels: { app: 'd' } },
      policyTypes: ['Egress'],
    })
    await lab.apply([denyIngress, denyEgress])
    await lab.sync()
    const there = probes('a to d', running('a').netns, toPod('d'), true)
    const back = probes('d to a', running('d').netns, toPod('a'), false)
    const elsewhere = probes('d to b', running('d').netns, toPod('b'), false)
    const in_ = probes('b to a', running('b').netns, toPod('a'), false)
    expect(await unmetExpectations([...there, ...back, ...elsewhere, ...in_])).toEqual([])
    await lab.delete([denyIngress, denyEgress])
    await lab.sync()
  })
})

describe.each([4, 6] as const)('a pod that lies about its address, IPv%i', (family) => {
  const port = 7100 + family
  const stranger = family === 4 ? '203.0.113.7' : '2001:db8::7'

  test.each([
    ['the same node', 'b'],
    ['another node', 'd'],
  ])('is not heard on %s', async (_where, to) => {
    const lies = [stranger, address('c', family), family === 4 ? lab.node('node1').ip : lab.node('node1').ip6]
    using sink = new DatagramSink(running(to).netns, { host: family === 4 ? '0.0.0.0' : '::', port })
    const probe = { netns: running('a').netns, protocol: 'UDP', address: address(to, family), port } as const
    const verdicts = await fireProbes(lies.map((source) => ({ ...probe, source })))
    // Each lie left the pod; the truth, sent after them, has come when they would have.
    expect(verdicts.map(({ kind }) => kind)).toEqual(['silent', 'silent', 'silent'])
    await fireProbes([probe])
    await sink.heardFrom(address('a', family))
    expect(sink.sources).toEqual([address('a', family)])
  })

  test('is not heard from an address that it gave itself', async () => {
    const { netns } = running('a')
    const target = address('d', family)
    const length = family === 4 ? 32 : 128
    const ip = family === 4 ? ['ip', '-4'] : ['ip', '-6']
    await runIn(netns, [
      ...ip,
      'address',
      'add',
      `${stranger}/${length}`,
      'dev',
      'eth0',
      ...(family === 6 ? ['nodad'] : []),
    ])
    using sink = new DatagramSink(running('d').netns, { host: family === 4 ? '0.0.0.0' : '::', port })
    const probe = { netns, protocol: 'UDP', address: target, port } as const
    await fireProbes([{ ...probe, source: stranger }])
    await runIn(netns, [...ip, 'address', 'del', `${stranger}/${length}`, 'dev', 'eth0'])
    await fireProbes([probe])
    await sink.heardFrom(address('a', family))
    expect(sink.sources).toEqual([address('a', family)])
  })
})

describe('kubectl', () => {
  test('exec gives output, errors and exit codes', async () => {
    expect(await exec('a', 'sh', '-c', 'echo $((6*7))')).toBe('42\n')
    expect(await lab.kubectl(['exec', '-i', 'a', '--', 'cat'], { input: 'through and back' })).toBe('through and back')
    const failure = await exec('a', 'sh', '-c', 'echo no >&2; exit 7').catch((error: unknown) => error)
    expect(failure).toMatchObject({ exitCode: 7 })
    expect((failure as ProgramError).stderr).toMatch(/^no\n/)
  })

  test('exec is in the network of the pod', async () => {
    expect(await exec('c', 'ip', '-o', 'address', 'show', 'dev', 'eth0')).toContain(`${address('c', 4)}/32`)
  })

  test('logs gives what the container has written', async () => {
    await lab.apply([
      pod('talker', { node: 'node2', image: 'busybox', args: ['sh', '-c', 'echo one; echo two >&2; sleep 3600'] }),
    ])
    await lab.kubectl(['wait', '--for=condition=Ready', 'pod/talker', '--timeout=30s'])
    await expect.poll(async () => lab.kubectl(['logs', 'talker']), { timeout: 5_000 }).toBe('one\ntwo\n')
    await lab.kubectl(['delete', 'pod', 'talker'])
  })
})

describe('the annotation cni.projectcalico.org/ipAddrs', () => {
  const wanted = (offset: number): string[] =>
    ([4, 6] as const).map((family) => String(Address.parse(address('a', family)).plus(offset)))

  test.each([
    ["the node's own block", 'node1', 20],
    ["another node's block", 'node2', 21],
  ])('gives exactly those addresses, in %s, reachable from everywhere', async (_where, node, offset) => {
    const ips = wanted(offset)
    const annotations = { 'cni.projectcalico.org/ipAddrs': JSON.stringify(ips) }
    const fixed = pod('fixed', { node, annotations })
    await lab.apply([fixed])
    await lab.kubectl(['wait', '--for=condition=Ready', 'pod/fixed', '--timeout=30s'])
    const got = await lab.kubectl(['get', 'pod', 'fixed', '-o', 'jsonpath={.status.podIPs[*].ip}'])
    expect(got.split(' ')).toEqual(ips)
    const { netns } = await lab.pod('default/fixed')
    expect(await runIn(netns, ['ip', '-o', 'address', 'show', 'dev', 'eth0', 'scope', 'global'])).toContain(
      `${ips[0]}/32`,
    )
    await servers.start(netns, [PORT])
    const everyone = [...pods.values(), ...lab.nodes.map((each) => ({ name: each.name, netns: each.netns }))]
    const targets = ips.map((each) => ({ address: each }))
    const inwards = everyone.flatMap((from) => probes(`${from.name} to fixed`, from.netns, targets, true))
    const outwards = [...pods.keys()].flatMap((to) => probes(`fixed to ${to}`, netns, toPod(to), true))
    expect(await unmetExpectations([...inwards, ...outwards])).toEqual([])
    await servers.stop(netns)
    await lab.delete([fixed])
  })

  test('is refused for an address that another pod has', async () => {
    const taken = pod('taker', {
      node: 'node2',
      annotations: { 'cni.projectcalico.org/ipAddrs': JSON.stringify([address('d', 4)]) },
    })
    await lab.apply([taken])
    const why = 'jsonpath={.status.containerStatuses[0].state.waiting.message}{.status.podIPs}'
    await expect
      .poll(async () => lab.kubectl(['get', 'pod', 'taker', '-o', why]), { timeout: 10_000 })
      .toContain(address('d', 4))
    expect(await lab.kubectl(['get', 'pod', 'taker', '-o', 'jsonpath={.status.podIPs}'])).toBe('')
    await lab.delete([taken])
    expect(await unmetExpectations(probes('a to d', running('a').netns, toPod('d'), true))).toEqual([])
  })
})
