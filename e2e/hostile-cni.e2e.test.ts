/** The CNI plugin called as no runtime should call it, and at the worst moments. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createNetns, deleteNetns } from '@margay/netlink'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CniOutcome, CniPlugin, netnsPath } from './src/cni-plugin.ts'
import { GoodCluster } from './src/good-cluster.ts'
import { runIn } from './src/run-program.ts'

const NODE = 'node1'
const CONFIG = { cniVersion: '1.1.0', name: 'margay', type: 'margay' }
const VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const

let cluster: GoodCluster
let plugin: CniPlugin
let directory: string
const namespaces: string[] = []
let containers = 0

interface Attachment {
  readonly id: string
  readonly netns: string
  readonly environment: Readonly<Record<string, string>>
}

/** A pod of the API that no kubelet runs, with a namespace of its own, and the environment to call the plugin with. */
async function newAttachment(): Promise<Attachment> {
  const number = ++containers
  const name = `direct-${number}`
  const netns = `mgy-${cluster.lab.name}-cni${number}`
  createNetns(netns)
  namespaces.push(netns)
  const spec = { containers: [{ name: 'main', image: 'pause' }], nodeSelector: { nowhere: 'yes' } }
  await cluster.lab.apply([{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec }])
  const id = `direct${number}x${process.pid}`
  const environment = {
    CNI_CONTAINERID: id,
    CNI_IFNAME: 'eth0',
    CNI_NETNS: netnsPath(netns),
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
  }
  return { id, netns, environment }
}

async function call(command: string, { environment }: Attachment, config: object = CONFIG): Promise<CniOutcome> {
  return plugin.run({ ...environment, CNI_COMMAND: command }, JSON.stringify(config))
}

/** What the API and the agent hold of a container. */
async function leftovers({ id, netns }: Attachment): Promise<string[]> {
  const { api } = cluster.lab.node(NODE)
  const { endpoints } = (await (await fetch(`${api}/api/v1/endpoints`)).json()) as {
    endpoints: { containerId: string }[]
  }
  const records = await cluster.lab.kubectl(['get', 'ipamhandles,ipamblocks', '-o', 'json'])
  const inside = namespaces.includes(netns) ? await runIn(netns, ['ip', '-br', 'link', 'show', 'type', 'veth']) : ''
  return [
    ...endpoints.filter(({ containerId }) => containerId === id).map(() => 'an endpoint'),
    ...(records.includes(id) ? ['addresses'] : []),
    ...readdirSync(plugin.queue).filter((file) => file.includes(id)),
    ...(inside === '' ? [] : [inside]),
  ]
}

async function expectNothingLeft(attachment: Attachment): Promise<void> {
  await expect.poll(async () => leftovers(attachment), { timeout: 20_000, interval: 200 }).toEqual([])
}

beforeAll(async () => {
  cluster = await GoodCluster.up('hostile-cni')
  plugin = new CniPlugin(cluster.lab, NODE)
  directory = mkdtempSync(join(tmpdir(), 'margay-e2e-cni-'))
  execFileSync('mkfifo', [join(directory, 'fifo')])
})

afterAll(async () => {
  for (const netns of namespaces.splice(0)) deleteNetns(netns)
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  await cluster?.[Symbol.asyncDispose]()
})

type Change = Readonly<Record<string, string>>
const config = (fields: object): string => JSON.stringify({ ...CONFIG, ...fields })

/** What differs from a good ADD, and the error that it gets: the code of the spec, and what the message names. */
const GARBAGE: readonly (readonly [
  what: string,
  environment: Change,
  stdin: string | Buffer,
  code: number,
  message: RegExp,
])[] = [
  ['no command', { CNI_COMMAND: '' }, config({}), 4, /CNI_COMMAND/],
  ['an unknown command', { CNI_COMMAND: 'FLY' }, config({}), 4, /CNI_COMMAND/],
  ['no container', { CNI_CONTAINERID: '' }, config({}), 4, /CNI_CONTAINERID/],
  ['a container that is a path', { CNI_CONTAINERID: '../../etc/passwd' }, config({}), 4, /CNI_CONTAINERID/],
  ['a container of 300 letters', { CNI_CONTAINERID: 'x'.repeat(300) }, config({}), 4, /CNI_CONTAINERID/],
  ['an interface that is a path', { CNI_IFNAME: '../eth0' }, config({}), 4, /CNI_IFNAME/],
  ['an interface of 16 letters', { CNI_IFNAME: 'x'.repeat(16) }, config({}), 4, /CNI_IFNAME/],
  ['no namespace', { CNI_NETNS: '' }, config({}), 4, /CNI_NETNS/],
  ['a relative namespace', { CNI_NETNS: 'run/netns/x' }, config({}), 4, /CNI_NETNS/],
  ['a namespace that is not there', { CNI_NETNS: '/run/netns/not-there' }, config({}), 4, /CNI_NETNS/],
  ['a namespace that is a file', { CNI_NETNS: '/etc/passwd' }, config({}), 4, /CNI_NETNS/],
  ['a namespace that is a directory', { CNI_NETNS: '/etc' }, config({}), 4, /CNI_NETNS/],
  ['a namespace of another kind', { CNI_NETNS: '/proc/self/ns/pid' }, config({}), 4, /CNI_NETNS/],
  ['a namespace that is a pipe', { CNI_NETNS: '@fifo' }, config({}), 4, /CNI_NETNS/],
  ['arguments without pairs', { CNI_ARGS: 'nonsense' }, config({}), 4, /CNI_ARGS/],
  ['arguments without a pod', { CNI_ARGS: 'IgnoreUnknown=1' }, config({}), 4, /CNI_ARGS.*K8S_POD_NAMESPACE/],
  ['100,000 octets of arguments', { CNI_ARGS: 'a=b;'.repeat(25_000) }, config({}), 4, /CNI_ARGS/],
  ['a pod that is a path', { CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=../x' }, config({}), 4, /CNI_ARGS/],
  [
    'a pod that is not there',
    { CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=ghost' },
    config({}),
    103,
    /default\/ghost/,
  ],
  ['nothing on stdin', {}, '', 6, /stdin/],
  ['text on stdin', {}, 'hello', 6, /stdin/],
  ['a list on stdin', {}, '[]', 6, /stdin/],
  ['100,000 brackets on stdin', {}, '['.repeat(100_000), 6, /stdin/],
  [
    'random octets on stdin',
    {},
    Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 197) & 255)),
    6,
    /stdin/,
  ],
  ['two mebioctets on stdin', {}, ' '.repeat(2 * 1024 * 1024), 6, /too large/],
  ['no name', {}, JSON.stringify({ cniVersion: '1.1.0' }), 7, /name/],
  ['a name that is a path', {}, config({ name: '../..' }), 7, /name/],
  ['a version that is none', {}, config({ cniVersion: 5 }), 1, /cniVersion/],
  ['a version that is to come', {}, config({ cniVersion: '9.9.9' }), 1, /cniVersion/],
  ['an MTU that is a word', {}, config({ mtu: 'large' }), 7, /mtu/],
  ['an MTU of a billion', {}, config({ mtu: 1e9 }), 7, /mtu/],
  ['a prevResult that is a number', { CNI_COMMAND: 'CHECK' }, config({ prevResult: 5 }), 7, /prevResult/],
  [
    'CHECK before its time',
    { CNI_COMMAND: 'CHECK' },
    config({ cniVersion: '0.3.1' }),
    1,
    /CHECK needs cniVersion 0\.4\.0/,
  ],
  ['CHECK of what was never added', { CNI_COMMAND: 'CHECK' }, config({}), 3, /no such attachment/],
  ['GC before its time', { CNI_COMMAND: 'GC' }, config({ cniVersion: '1.0.0' }), 1, /GC needs cniVersion 1\.1\.0/],
  ['GC of what is no list', { CNI_COMMAND: 'GC' }, config({ 'cni.dev/valid-attachments': 5 }), 7, /valid-attachments/],
]

describe('calls that make no sense', () => {
  let attachment: Attachment

  beforeAll(async () => {
    attachment = await newAttachment()
  })

  test.for(GARBAGE)('%s', async ([, change, stdin, code, message]) => {
    const environment: Record<string, string> = { CNI_COMMAND: 'ADD', ...attachment.environment, ...change }
    if (environment['CNI_NETNS'] === '@fifo') environment['CNI_NETNS'] = join(directory, 'fifo')
    const { exitCode, json } = await plugin.run(environment, stdin)
    expect(json).toMatchObject({ code, msg: expect.stringMatching(message) as string })
    expect(json['cniVersion']).toMatch(/^\d+\.\d+\.\d+$/)
    expect(exitCode).toBe(1)
  })

  test('no environment at all', async () => {
    const { exitCode, json } = await plugin.run({}, '')
    expect({ exitCode, code: json['code'] }).toEqual({ exitCode: 1, code: 4 })
  })

  test('leave nothing behind', async () => {
    await expectNothingLeft(attachment)
  })

  test('clients of the socket that send halves, nothing, or go before the answer', async () => {
    const request = [...Object.entries(attachment.environment), ['CNI_COMMAND', 'ADD']]
      .map(([name, value]) => `${name}=${value}\0`)
      .join('')
    const whole = `${request}\0${JSON.stringify(CONFIG)}`
    for (const bytes of ['', '\0', '=x\0\0', whole.slice(0, 30), whole, whole, 'x'.repeat(3_000_000)]) {
      const socket = connect(plugin.socket)
      socket.on('error', () => socket.destroy())
      await once(socket, 'connect')
      socket.write(bytes)
      // A whole request is begun by the agent once its end has come.
      if (bytes === whole) socket.end()
      await delay(20)
      socket.destroy()
    }
    const idle = Array.from({ length: 200 }, () => connect(plugin.socket).on('error', () => undefined))
    expect((await plugin.run({ CNI_COMMAND: 'STATUS' }, JSON.stringify(CONFIG))).exitCode).toBe(0)
    for (const socket of idle) socket.destroy()
    await call('DEL', attachment)
    await expectNothingLeft(attachment)
  })

  test('the cluster goes on', async () => {
    expect(await cluster.complaints()).toEqual([])
  })
})

describe('calls out of order', () => {
  test('VERSION needs nothing', async () => {
    const { exitCode, json } = await plugin.run({ CNI_COMMAND: 'VERSION' }, '{"cniVersion":"1.0.0"}')
    expect(exitCode).toBe(0)
    expect(json).toMatchObject({
      cniVersion: '1.0.0',
      supportedVersions: expect.arrayContaining([...VERSIONS]) as string[],
    })
  })

  test.for(VERSIONS)('ADD and DEL answer in the shape of %s', async (cniVersion) => {
    const attachment = await newAttachment()
    const { exitCode, json } = await call('ADD', attachment, { ...CONFIG, cniVersion })
    expect(exitCode).toBe(0)
    expect(json['cniVersion']).toBe(cniVersion)
    const [ip4, ip6] = json['ips'] as { address: string; version?: string; interface: number; gateway?: string }[]
    expect(ip4?.address).toMatch(/^10\.244\.\d+\.\d+\/32$/)
    expect(ip6?.address).toMatch(/^fd00:10:244:.*\/128$/)
    expect(ip4?.version).toBe(cniVersion.startsWith('0.') ? '4' : undefined)
    const interfaces = json['interfaces'] as { name: string; mac: string; sandbox?: string; mtu?: number }[]
    expect(interfaces[ip4?.interface ?? -1]).toMatchObject({ name: 'eth0', sandbox: netnsPath(attachment.netns) })
    expect(interfaces[0]?.mtu).toBe(cniVersion === '1.1.0' ? 1500 : undefined)
    if (cniVersion !== '0.3.1') {
      const check = await call('CHECK', attachment, { ...CONFIG, cniVersion, prevResult: json })
      expect(check).toMatchObject({ exitCode: 0, stdout: '' })
    }
    expect(await call('DEL', attachment, { ...CONFIG, cniVersion })).toMatchObject({ exitCode: 0, stdout: '' })
    await expectNothingLeft(attachment)
  })

  test('DEL before ADD, and twice after', async () => {
    const attachment = await newAttachment()
    for (const command of ['DEL', 'ADD', 'DEL', 'DEL']) expect((await call(command, attachment)).exitCode).toBe(0)
    await expectNothingLeft(attachment)
  })

  test('ADD twice gives the container one address of each family', async () => {
    const attachment = await newAttachment()
    await call('ADD', attachment)
    const { exitCode, json } = await call('ADD', attachment)
    expect(exitCode).toBe(0)
    const text = await cluster.lab.kubectl(['get', 'ipamhandle', `margay.${attachment.id}`, '-o', 'json'])
    const { spec } = JSON.parse(text) as { spec: { block: Record<string, number> } }
    expect(Object.values(spec.block)).toEqual([1, 1])
    expect((await call('CHECK', attachment, { ...CONFIG, prevResult: json })).exitCode).toBe(0)
    await call('DEL', attachment)
    await expectNothingLeft(attachment)
  })

  test('five ADDs and two DELs of one container at once', async () => {
    const attachment = await newAttachment()
    const commands = ['ADD', 'ADD', 'DEL', 'ADD', 'ADD', 'DEL', 'ADD']
    const outcomes = await Promise.all(commands.map(async (command) => call(command, attachment)))
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual(commands.map(() => 0))
    expect((await call('DEL', attachment)).exitCode).toBe(0)
    await expectNothingLeft(attachment)
  })

  test('the old sandbox of a pod is deleted while, and after, the new one is added', async () => {
    const old = await newAttachment()
    await call('ADD', old)
    const next = { ...(await newAttachment()), environment: {} } as Attachment
    const environment = { ...old.environment, CNI_CONTAINERID: next.id, CNI_NETNS: netnsPath(next.netns) }
    const added = { ...next, environment }
    const [add, del] = await Promise.all([call('ADD', added), call('DEL', old)])
    expect([add.exitCode, del.exitCode]).toEqual([0, 0])
    await call('DEL', old)
    expect(await call('CHECK', added, { ...CONFIG, prevResult: add.json })).toMatchObject({ exitCode: 0 })
    await call('DEL', added)
    await expectNothingLeft(added)
  })

  test.for([
    ['a route', ['ip', 'route', 'del', 'default'], /default route/],
    ['an address', ['ip', 'address', 'flush', 'dev', 'eth0'], /lacks|no IPv/],
    ['the link', ['ip', 'link', 'set', 'eth0', 'down'], /down/],
    ['all', ['ip', 'link', 'delete', 'eth0'], /not there/],
  ] as const)('CHECK tells that the pod lost %s', async ([, command, message]) => {
    const attachment = await newAttachment()
    await call('ADD', attachment)
    await runIn(attachment.netns, command)
    expect((await call('CHECK', attachment)).json).toMatchObject({
      code: 102,
      msg: expect.stringMatching(message) as string,
    })
    expect((await call('DEL', attachment)).exitCode).toBe(0)
    await expectNothingLeft(attachment)
  })

  test('DEL of a pod whose namespace is gone', async () => {
    const attachment = await newAttachment()
    await call('ADD', attachment)
    deleteNetns(attachment.netns)
    namespaces.splice(namespaces.indexOf(attachment.netns), 1)
    expect((await call('DEL', attachment)).exitCode).toBe(0)
    const other = await newAttachment()
    await call('ADD', other)
    const environment: Record<string, string> = { ...other.environment, CNI_NETNS: '' }
    expect((await call('DEL', { ...other, environment })).exitCode).toBe(0)
    await expectNothingLeft(attachment)
    await expectNothingLeft(other)
  })

  test('GC takes back what the runtime does not name, and that alone', async () => {
    const [kept, lost] = [await newAttachment(), await newAttachment()]
    const { json } = await call('ADD', kept)
    await call('ADD', lost)
    const { api } = cluster.lab.node(NODE)
    const { endpoints } = (await (await fetch(`${api}/api/v1/endpoints`)).json()) as {
      endpoints: { containerId: string }[]
    }
    const valid = endpoints
      .filter(({ containerId }) => containerId !== lost.id)
      .map(({ containerId }) => ({ containerID: containerId, ifname: 'eth0' }))
    const gc = await plugin.run(
      { CNI_COMMAND: 'GC', CNI_PATH: '/opt/cni/bin' },
      config({ 'cni.dev/valid-attachments': valid }),
    )
    expect(gc).toMatchObject({ exitCode: 0, stdout: '' })
    await expectNothingLeft(lost)
    expect((await call('CHECK', kept, { ...CONFIG, prevResult: json })).exitCode).toBe(0)
    await call('DEL', kept)
    expect(await cluster.complaints()).toEqual([])
  })
})

describe('calls while something is away', () => {
  test('without an agent ADD is to be tried again, STATUS says so, and DEL waits in the queue', async () => {
    const [there, never] = [await newAttachment(), await newAttachment()]
    await call('ADD', there)
    await cluster.lab.agent('stop', NODE)
    expect((await call('ADD', never)).json).toMatchObject({ code: 11 })
    expect((await plugin.run({ CNI_COMMAND: 'STATUS' }, config({}))).json).toMatchObject({ code: 50 })
    expect(await call('DEL', there)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(existsSync(join(plugin.queue, `${there.id}-eth0.del`))).toBe(true)
    const bad = { ...there.environment, CNI_CONTAINERID: '../../escape', CNI_COMMAND: 'DEL' }
    expect((await plugin.run(bad, config({}))).json).toMatchObject({ code: 4 })
    await cluster.lab.agent('start', NODE)
    await expectNothingLeft(there)
    await expectNothingLeft(never)
  })

  test('an agent that is killed in the middle of an ADD leaks nothing', { timeout: 240_000 }, async () => {
    for (const afterMs of [5, 15, 30, 50, 80]) {
      const attachment = await newAttachment()
      const adding = call('ADD', attachment)
      await delay(afterMs)
      await cluster.lab.agent('kill', NODE)
      const { exitCode, json } = await adding
      if (exitCode !== 0) expect(json).toMatchObject({ code: 11 })
      await cluster.lab.agent('start', NODE)
      // Whatever was done of it does not stand in the way of the next try.
      expect((await call('ADD', attachment)).json).toMatchObject({
        cniVersion: '1.1.0',
        ips: expect.anything() as unknown,
      })
      expect((await call('DEL', attachment)).exitCode).toBe(0)
      await expectNothingLeft(attachment)
    }
  })

  test('without an API server DEL succeeds, and the addresses come back later', async () => {
    const attachment = await newAttachment()
    await call('ADD', attachment)
    const { netns } = cluster.lab.node(NODE)
    const rule = ['OUTPUT', '-p', 'tcp', '--dport', '6443', '-j', 'REJECT', '--reject-with', 'tcp-reset']
    await runIn(netns, ['iptables', '-I', ...rule])
    try {
      expect(await call('DEL', attachment)).toMatchObject({ exitCode: 0, stdout: '' })
      expect(await runIn(attachment.netns, ['ip', '-br', 'link', 'show', 'type', 'veth'])).toBe('')
      const other = await newAttachment()
      expect((await call('ADD', other)).json).toMatchObject({ code: 11 })
    } finally {
      await runIn(netns, ['iptables', '-D', ...rule])
    }
    await expectNothingLeft(attachment)
  })

  test('the cluster goes on', async () => {
    await cluster.acceptProcesses()
    expect(await cluster.complaints()).toEqual([])
  })
})
