import { Address, Prefix } from '@margay/net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Allocator, type AssignRequest, allocations, IpamError, RECORDS } from '../src/index.ts'
import { Crash, MemoryStore } from './memory-store.ts'

const pool = (name: string, spec: Record<string, unknown>): { metadata: { name: string }; spec: unknown } => ({
  metadata: { name },
  spec,
})
const request = (node: string, handleId: string, more: Partial<AssignRequest> = {}): AssignRequest => ({
  node,
  nodeLabels: {},
  namespaceLabels: {},
  handleId,
  attributes: { node },
  ...more,
})

async function storeWith(...pools: { metadata: { name: string }; spec: unknown }[]): Promise<MemoryStore> {
  const store = new MemoryStore()
  for (const each of pools) await store.create(RECORDS.pools, each)
  return store
}

/** Address → handle of everything allocated; throws when a record contradicts itself. */
function allocated(store: MemoryStore): Map<string, string> {
  const all = new Map<string, string>()
  for (const { spec } of store.records(RECORDS.blocks)) {
    const free = new Set(spec.unallocated)
    spec.allocations.forEach((index, ordinal) =>
      expect(free.has(ordinal), `${spec.cidr} ordinal ${ordinal}`).toBe(index === null),
    )
    expect(free.size + allocations(spec).length).toBe(spec.allocations.length)
    for (const { address, attribute } of allocations(spec)) {
      expect(all.has(String(address))).toBe(false)
      all.set(String(address), attribute.handle_id ?? '')
    }
  }
  return all
}

/** Every address in use is found by its handle. */
function expectNoLeak(store: MemoryStore): void {
  const counts = new Map(store.records(RECORDS.handles).map(({ spec }) => [spec.handleID, spec.block]))
  for (const { spec } of store.records(RECORDS.blocks)) {
    for (const { attribute } of allocations(spec)) {
      expect(counts.get(attribute.handle_id ?? '')?.[spec.cidr] ?? 0).toBeGreaterThan(0)
    }
  }
}

function expectBlocksOwnedOnce(store: MemoryStore): void {
  const confirmed = store.records(RECORDS.affinities).filter(({ spec }) => spec.state === 'confirmed')
  expect(new Set(confirmed.map(({ spec }) => spec.cidr)).size).toBe(confirmed.length)
  const blocks = new Map(store.records(RECORDS.blocks).map(({ spec }) => [spec.cidr, spec.affinity]))
  for (const { spec } of confirmed) expect(blocks.get(spec.cidr)).toBe(`host:${spec.node}`)
}

test('many nodes at once, with lost races injected: no duplicate, no leak, and all comes back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(fc.nat(9)),
      fc.array(fc.record({ node: fc.nat(4), release: fc.boolean() }), { minLength: 1, maxLength: 40 }),
      async (rolls, jobs) => {
        const store = await storeWith(pool('small', { cidr: '10.0.0.0/26', blockSize: 29 }))
        store.disturb = () => ((rolls.next().value ?? 0) < 2 ? 'conflict' : undefined)
        const allocator = new Allocator(store)
        const held = new Map<string, string>()
        await Promise.all(
          jobs.map(async (job, index) => {
            const handle = `net.c${index}`
            const address = await allocator.autoAssign(4, request(`n${job.node}`, handle))
            if (job.release) expect(await allocator.releaseByHandle(handle)).toEqual([address])
            else held.set(String(address), handle)
          }),
        )
        expect(allocated(store)).toEqual(held)
        expectNoLeak(store)
        expectBlocksOwnedOnce(store)
        for (const handle of held.values()) await allocator.releaseByHandle(handle)
        expect(allocated(store).size).toBe(0)
        expect(store.records(RECORDS.handles)).toEqual([])
      },
    ),
    { numRuns: 40 },
  )
}, 60_000)

test('a crash between any two writes leaks nothing: the handle frees what was taken', async () => {
  for (let crashAt = 0; crashAt < 8; crashAt++) {
    const store = await storeWith(pool('p', { cidr: '10.0.0.0/24', blockSize: 28 }))
    let writes = 0
    store.disturb = () => (writes++ === crashAt ? 'crash' : undefined)
    const allocator = new Allocator(store)
    const outcome = await allocator.autoAssign(4, request('n1', 'net.c1')).catch((error: unknown) => error)
    if (!(outcome instanceof Address)) expect(outcome).toBeInstanceOf(Crash)
    expectNoLeak(store)
    store.disturb = () => undefined
    await allocator.releaseByHandle('net.c1')
    expect(allocated(store).size).toBe(0)
    expect(store.records(RECORDS.handles)).toEqual([])
    // And the block that was half claimed serves the next pod.
    await allocator.autoAssign(4, request('n1', 'net.c2'))
    expect(store.records(RECORDS.blocks)).toHaveLength(1)
    expectBlocksOwnedOnce(store)
  }
})

test('a pool gives every address once, then borrows, then is exhausted', async () => {
  const store = await storeWith(pool('p', { cidr: '10.0.0.0/29', blockSize: 30 }))
  const allocator = new Allocator(store)
  const addresses = new Set<string>()
  for (let index = 0; index < 8; index++) {
    addresses.add(String(await allocator.autoAssign(4, request(index < 4 ? 'n1' : 'n2', `net.c${index}`))))
  }
  expect(addresses.size).toBe(8)
  await expect(allocator.autoAssign(4, request('n1', 'net.more'))).rejects.toMatchObject({ code: 'IPAM_EXHAUSTED' })
  await allocator.releaseByHandle('net.c7')
  await expect(allocator.autoAssign(4, request('n1', 'net.more'))).resolves.toBeInstanceOf(Address)
})

test('strict affinity does not borrow, and maxBlocksPerHost holds', async () => {
  const store = await storeWith(pool('p', { cidr: '10.0.0.0/28', blockSize: 30 }))
  await store.create(RECORDS.configurations, {
    metadata: { name: 'default' },
    spec: { strictAffinity: true, maxBlocksPerHost: 1 },
  })
  const allocator = new Allocator(store)
  for (let index = 0; index < 4; index++) await allocator.autoAssign(4, request('n1', `net.c${index}`))
  await expect(allocator.autoAssign(4, request('n1', 'net.c5'))).rejects.toMatchObject({ code: 'IPAM_EXHAUSTED' })
})

test('an address that was freed is given out last', async () => {
  const store = await storeWith(pool('p', { cidr: '10.0.0.0/30', blockSize: 30 }))
  const allocator = new Allocator(store)
  const first = await allocator.autoAssign(4, request('n1', 'net.a'))
  await allocator.releaseByHandle('net.a')
  const next = [
    await allocator.autoAssign(4, request('n1', 'net.b')),
    await allocator.autoAssign(4, request('n1', 'net.c')),
  ]
  expect(next.map(String)).not.toContain(String(first))
})

test('pools are chosen by node, namespace, use and annotation; bad ones are passed over', async () => {
  const store = await storeWith(
    pool('broken', { cidr: '10.9.0.0/16', nodeSelector: '((' }),
    pool('off', { cidr: '10.1.0.0/16', disabled: true }),
    pool('tunnel', { cidr: '10.2.0.0/16', allowedUses: ['Tunnel'] }),
    pool('racked', { cidr: '10.3.0.0/16', nodeSelector: 'rack == "a"' }),
    pool('tenant', { cidr: '10.4.0.0/16', namespaceSelector: 'tenant == "x"' }),
    pool('manual', { cidr: '10.5.0.0/16', assignmentMode: 'Manual' }),
    pool('v6', { cidr: 'fd00::/112', blockSize: 122 }),
  )
  const allocator = new Allocator(store)
  const from = async (more: Partial<AssignRequest>): Promise<string> =>
    String(new Prefix(await allocator.autoAssign(4, request('n1', 'net.x', more)), 16))
  await expect(from({})).rejects.toMatchObject({ code: 'IPAM_NO_POOL' })
  expect(await from({ nodeLabels: { rack: 'a' } })).toBe('10.3.0.0/16')
  expect(await from({ namespaceLabels: { tenant: 'x' } })).toBe('10.4.0.0/16')
  expect(await from({ pools: ['manual'] })).toBe('10.5.0.0/16')
  expect(String(new Prefix(await allocator.autoAssign(6, request('n1', 'net.y')), 112))).toBe('fd00::/112')
})

test('a given address is taken once, from a pool only, also out of a block of another node', async () => {
  const store = await storeWith(pool('p', { cidr: '10.0.0.0/24', blockSize: 28 }))
  const allocator = new Allocator(store)
  const address = Address.parse('10.0.0.77')
  await allocator.assignIp(address, request('n1', 'net.a'))
  await expect(allocator.assignIp(address, request('n2', 'net.b'))).rejects.toMatchObject({
    code: 'IPAM_ADDRESS_IN_USE',
  })
  await allocator.assignIp(Address.parse('10.0.0.78'), request('n2', 'net.b'))
  await expect(allocator.assignIp(Address.parse('192.0.2.1'), request('n1', 'net.c'))).rejects.toBeInstanceOf(IpamError)
  expect(allocated(store)).toEqual(
    new Map([
      ['10.0.0.77', 'net.a'],
      ['10.0.0.78', 'net.b'],
    ]),
  )
  expect(store.records(RECORDS.handles).map(({ spec }) => spec.handleID)).toEqual(['net.a', 'net.b'])
})

test('an empty block is given up with its affinity, a used one is kept', async () => {
  const store = await storeWith(pool('p', { cidr: '10.0.0.0/24', blockSize: 28 }))
  const allocator = new Allocator(store)
  const address = await allocator.autoAssign(4, request('n1', 'net.a'))
  const cidr = new Prefix(address, 28)
  expect(await allocator.releaseBlock(cidr, 'n1')).toBe(false)
  await allocator.releaseByHandle('net.a')
  expect(await allocator.releaseBlock(cidr, 'n2')).toBe(false)
  expect(await allocator.releaseBlock(cidr, 'n1')).toBe(true)
  expect([...store.records(RECORDS.blocks), ...store.records(RECORDS.affinities)]).toEqual([])
})
