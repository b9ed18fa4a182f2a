import { RESOURCES } from '@margay/datastore'
import { Address } from '@margay/net'
import { expect, test } from 'vitest'
import { IpamGcController } from '../src/ipam-gc-controller.ts'
import { ipPool, node, pod, TestApi } from './test-api.ts'

const POOL = ipPool('pool', { cidr: '10.1.0.0/24', blockSize: 28 })
const GRACE_MS = 400

/** Runs the search for leaks until the end of the scope. */
class Running implements AsyncDisposable {
  readonly gc: IpamGcController
  readonly #abort = new AbortController()
  readonly #done: Promise<void>

  constructor(api: TestApi, graceMs = GRACE_MS) {
    this.gc = new IpamGcController({ ...api.parts, graceMs, periodMs: 50 })
    this.#done = this.gc.run(this.#abort.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#done
  }
}

async function assign(api: TestApi, name: string, nodeName = 'node1'): Promise<string> {
  const attributes = { pod: name, namespace: 'default', node: nodeName }
  const request = { node: nodeName, nodeLabels: {}, namespaceLabels: {}, handleId: `margay.${name}`, attributes }
  return String(await api.allocator.autoAssign(4, request))
}

/** Names of the pods whose handles are there. */
async function handles(api: TestApi): Promise<string[]> {
  const { items } = await api.client.list(RESOURCES.ipamHandles)
  return items.map(({ spec }) => spec.handleID.replace('margay.', '')).toSorted()
}

/** Long enough for several scans after the grace period. */
const aWhile = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, GRACE_MS * 3))

test('takes back what a pod that is gone has held, after the grace period and not before', async () => {
  await using api = await TestApi.start([POOL, node('node1')])
  const used = await assign(api, 'used')
  await assign(api, 'gone')
  api.server.apply(pod('used', [used]))
  const begin = performance.now()
  await using running = new Running(api)
  await expect.poll(async () => handles(api), { timeout: 5_000 }).toEqual(['used'])
  expect(performance.now() - begin).toBeGreaterThanOrEqual(GRACE_MS)
  expect(running.gc.counts.reclaimed).toBe(1)
  await aWhile()
  expect(await handles(api)).toEqual(['used'])
})

test('a pod that has other addresses now has lost the old ones', async () => {
  await using api = await TestApi.start([POOL, node('node1')])
  await assign(api, 'moved')
  api.server.apply(pod('moved', ['10.1.0.99']))
  await using _running = new Running(api)
  await expect.poll(async () => handles(api), { timeout: 5_000 }).toEqual([])
})

test('a pod that comes back during the grace period keeps its address', async () => {
  await using api = await TestApi.start([POOL, node('node1')])
  const address = await assign(api, 'late')
  await using running = new Running(api, 600)
  await expect.poll(() => running.gc.counts.candidates, { interval: 10 }).toBe(1)
  api.server.apply(pod('late', [address]))
  await aWhile()
  expect(await handles(api)).toEqual(['late'])
})

test('asks the API server again before it takes anything: the cache may be late', async () => {
  await using api = await TestApi.start([POOL, node('node1')])
  const address = await assign(api, 'unseen')
  api.server.apply(pod('unseen', [address]))
  await expect.poll(() => api.bus.table('pods').has('default/unseen')).toBe(true)
  // The cache forgets the pod; the API server has it.
  api.bus.table('pods').delete('default/unseen')
  await using running = new Running(api)
  await expect.poll(() => running.gc.counts.candidates).toBe(1)
  await aWhile()
  expect(await handles(api)).toEqual(['unseen'])
})

test('a node that is deleted gives all back at once: addresses, blocks, affinities', async () => {
  await using api = await TestApi.start([POOL, node('node1'), node('node2')])
  await assign(api, 'there', 'node1')
  await assign(api, 'lost', 'node2')
  await using _running = new Running(api, 60_000)
  await api.client.delete(RESOURCES.nodes, { name: 'node2' })
  await expect.poll(async () => handles(api), { timeout: 5_000 }).toEqual(['there'])
  await expect
    .poll(async () => (await api.client.list(RESOURCES.blockAffinities)).items.map(({ spec }) => spec.node))
    .toEqual(['node1'])
  const { items } = await api.client.list(RESOURCES.ipamBlocks)
  expect(items.map(({ spec }) => spec.affinity)).toEqual(['host:node1'])
})

test('a handle without an address goes; records of others, and those that contradict themselves, stay', async () => {
  await using api = await TestApi.start([POOL, node('node1')])
  const handle = (name: string, block: object): Parameters<typeof api.server.apply>[0] => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPAMHandle',
    metadata: { name },
    spec: { handleID: name, block },
  })
  const tunnel = { handle_id: 'tunnel', secondary: { type: 'ipipTunnelAddress', node: 'node1' } }
  const block = (name: string, spec: object): Parameters<typeof api.server.apply>[0] => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPAMBlock',
    metadata: { name },
    spec: { affinity: 'host:node1', unallocated: [], ...spec },
  })
  api.server.apply(handle('empty', {}))
  api.server.apply(handle('garbage', { nonsense: 1 }))
  api.server.apply(handle('tunnel', { '10.1.0.64/30': 1 }))
  api.server.apply(
    block('a', {
      cidr: '10.1.0.64/30',
      allocations: [0, null, null, null],
      attributes: [tunnel],
      unallocated: [1, 2, 3],
    }),
  )
  api.server.apply(handle('unsound', { '10.1.0.68/30': 1 }))
  const attribute = { handle_id: 'unsound', secondary: { pod: 'x', namespace: 'default', node: 'no-such-node' } }
  api.server.apply(block('b', { cidr: '10.1.0.68/30', allocations: [0], attributes: [attribute] }))
  await assign(api, 'gone')
  await using _running = new Running(api, 100)
  await expect.poll(async () => handles(api), { timeout: 5_000 }).not.toContain('gone')
  await aWhile()
  expect(await handles(api)).toEqual(['garbage', 'tunnel', 'unsound'])
  expect(api.log.lines.map(({ message }) => message)).toContain('an IPAMBlock contradicts itself: it is left alone')
  expect((await api.client.list(RESOURCES.ipamBlocks)).items.map(({ metadata }) => metadata.name)).toContain('b')
})

test('concurrent allocation is not taken for a leak', async () => {
  await using api = await TestApi.start([POOL, node('node1')])
  await using _running = new Running(api, 300)
  for (let index = 0; index < 10; index++) {
    const address = await assign(api, `p${index}`)
    expect(Address.tryParse(address)).toBeDefined()
    api.server.apply(pod(`p${index}`, [address]))
  }
  await aWhile()
  expect(await handles(api)).toHaveLength(10)
})
