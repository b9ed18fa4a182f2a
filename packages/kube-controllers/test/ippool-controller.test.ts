import { RESOURCES } from '@margay/datastore'
import { expect, test } from 'vitest'
import { IPPoolController } from '../src/ippool-controller.ts'
import { ipPool, node, TestApi } from './test-api.ts'

class Running implements AsyncDisposable {
  readonly #abort = new AbortController()
  readonly #done: Promise<void>

  constructor(api: TestApi) {
    this.#done = new IPPoolController(api.parts).run(this.#abort.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#done
  }
}

async function conditionOf(api: TestApi, name: string): Promise<string> {
  const { status } = await api.client.get(RESOURCES.ipPools, { name })
  const condition = status?.conditions?.find(({ type }) => type === 'Allocatable')
  return `${condition?.status} ${condition?.reason}`
}

const assignment = (name: string): Parameters<TestApi['allocator']['autoAssign']>[1] => ({
  node: 'node1',
  nodeLabels: {},
  namespaceLabels: {},
  handleId: name,
  attributes: { pod: name, namespace: 'default', node: 'node1' },
})

test('writes what a pool is good for', async () => {
  await using api = await TestApi.start([
    ipPool('a', { cidr: '10.1.0.0/24' }),
    ipPool('b', { cidr: '10.1.0.128/25' }),
    ipPool('c', { cidr: '10.2.0.0/24', disabled: true }),
    ipPool('d', { cidr: '10.3.0.1/24' }),
  ])
  await using _running = new Running(api)
  const conditions = async (): Promise<string[]> =>
    Promise.all(['a', 'b', 'c', 'd'].map(async (name) => conditionOf(api, name)))
  await expect
    .poll(conditions, { timeout: 5_000 })
    .toEqual(['True OK', 'False CIDROverlap', 'False PoolDisabled', 'False InvalidSpec'])
})

test('a deleted pool goes when its last address is back, and serves nobody meanwhile', async () => {
  await using api = await TestApi.start([ipPool('a', { cidr: '10.1.0.0/24' }), node('node1')])
  await using _running = new Running(api)
  await expect.poll(async () => conditionOf(api, 'a')).toBe('True OK')
  await api.allocator.autoAssign(4, assignment('x'))
  await api.client.delete(RESOURCES.ipPools, { name: 'a' })
  await expect.poll(async () => conditionOf(api, 'a'), { timeout: 5_000 }).toBe('False Terminating')
  await expect(api.allocator.autoAssign(4, assignment('y'))).rejects.toMatchObject({ code: 'IPAM_NO_POOL' })
  await api.allocator.releaseByHandle('x')
  await expect.poll(async () => api.client.find(RESOURCES.ipPools, { name: 'a' }), { timeout: 10_000 }).toBeUndefined()
  expect((await api.client.list(RESOURCES.ipamBlocks)).items).toEqual([])
  expect((await api.client.list(RESOURCES.blockAffinities)).items).toEqual([])
})

test('a deleted pool does not wait for the blocks of the pool that it overlapped', async () => {
  await using api = await TestApi.start([
    ipPool('a', { cidr: '10.1.0.0/24' }),
    ipPool('b', { cidr: '10.1.0.0/16' }),
    node('node1'),
  ])
  await using _running = new Running(api)
  await expect.poll(async () => conditionOf(api, 'b')).toBe('False CIDROverlap')
  await api.allocator.autoAssign(4, assignment('x'))
  await api.client.delete(RESOURCES.ipPools, { name: 'b' })
  await expect.poll(async () => api.client.find(RESOURCES.ipPools, { name: 'b' }), { timeout: 5_000 }).toBeUndefined()
  expect((await api.client.list(RESOURCES.ipamBlocks)).items).toHaveLength(1)
})
