import { describe, expect, test } from 'vitest'
import { IpSets, type IpSetType, IptablesTable } from '../src/index.ts'
import { type ScratchNetns, scratchNetns } from './scratch-netns.ts'

const PREFIX = 'own-'

const open = (scratch: ScratchNetns): IpSets => new IpSets({ setPrefix: PREFIX, netns: scratch.handle })

/** Members as ipset itself shows them. */
function shown(scratch: ScratchNetns, name: string): string[] {
  const text = scratch.run('ipset', ['list', name])
  return text
    .slice(text.indexOf('Members:\n') + 9)
    .split('\n')
    .filter((line) => line !== '')
    .toSorted()
}
const names = (scratch: ScratchNetns): string[] =>
  scratch
    .run('ipset', ['list', '-n'])
    .split('\n')
    .filter((line) => line !== '')
    .toSorted()

describe('members of every type and family, as ipset shows them', () => {
  test.for<[IpSetType, 4 | 6, string[], string[]]>([
    ['hash:ip', 4, ['10.0.0.1', '10.0.0.2'], ['10.0.0.1', '10.0.0.2']],
    ['hash:ip', 6, ['fd00::0:1', 'FD00::2'], ['fd00::1', 'fd00::2']],
    ['hash:net', 4, ['10.0.0.0/8', '10.1.2.3', '0.0.0.0/0'], ['0.0.0.0/1', '10.0.0.0/8', '10.1.2.3', '128.0.0.0/1']],
    ['hash:net', 6, ['fd00::/64', '::/0'], ['8000::/1', '::/1', 'fd00::/64']],
    ['hash:ip,port', 4, ['10.0.0.1,tcp:80', '10.0.0.1,sctp:7'], ['10.0.0.1,sctp:7', '10.0.0.1,tcp:80']],
    ['hash:ip,port', 6, ['fd00::1,udp:53'], ['fd00::1,udp:53']],
    [
      'hash:net,port',
      4,
      ['10.0.0.0/24,udp:53', '0.0.0.0/0,tcp:1'],
      ['0.0.0.0/1,tcp:1', '10.0.0.0/24,udp:53', '128.0.0.0/1,tcp:1'],
    ],
  ])('%s IPv%s', async ([type, family, members, expected]) => {
    using scratch = scratchNetns()
    await using sets = open(scratch)
    sets.setIpSet({ name: 'own-s', type, family, members })
    expect(await sets.applyCreates()).toMatchObject({ created: ['own-s'], failures: [] })
    expect(shown(scratch, 'own-s')).toEqual(expected)
    await using second = open(scratch)
    second.setIpSet({ name: 'own-s', type, family, members })
    expect(await second.applyCreates()).toEqual({
      created: [],
      rewritten: [],
      membersAdded: 0,
      membersRemoved: 0,
      failures: [],
    })
    second.removeMembers('own-s', members)
    await second.applyCreates()
    expect(shown(scratch, 'own-s')).toEqual([])
  })
})

test('deltas, and a half of everything that is wanted for two reasons', async () => {
  using scratch = scratchNetns()
  await using sets = open(scratch)
  sets.setIpSet({ name: 'own-s', type: 'hash:net', family: 4, members: ['0.0.0.0/0', '0.0.0.0/1'] })
  await sets.applyCreates()
  sets.removeMembers('own-s', ['0.0.0.0/0'])
  expect(await sets.applyCreates()).toMatchObject({ membersRemoved: 1, membersAdded: 0 })
  expect(shown(scratch, 'own-s')).toEqual(['0.0.0.0/1'])
  sets.addMembers('own-s', ['0.0.0.0/0', '10.0.0.0/8'])
  sets.removeMembers('own-s', ['0.0.0.0/1', '10.0.0.0/8'])
  expect(await sets.applyCreates()).toMatchObject({ membersAdded: 1, membersRemoved: 0 })
  expect(shown(scratch, 'own-s')).toEqual(['0.0.0.0/1', '128.0.0.0/1'])
  expect(sets.dirty).toBe(false)
})

test('foreign sets stay; leftovers of ours go; a set in use goes once the rule is gone', async () => {
  using scratch = scratchNetns()
  scratch.run('ipset', ['create', 'theirs', 'hash:ip'])
  scratch.run('ipset', ['create', 'own-left', 'hash:ip'])
  scratch.run('ipset', ['create', 'own-.tmp3', 'list:set'])
  scratch.run('ipset', ['create', 'own-used', 'hash:ip'])
  const table = new IptablesTable({
    table: 'filter',
    family: 4,
    variant: 'nft',
    chainPrefix: 'own-',
    hashPrefix: 'own:',
    netns: scratch.handle,
  })
  table.setChain('own-c', [{ match: [{ kind: 'ipSet', name: 'own-used', flags: ['src'] }], action: { kind: 'drop' } }])
  expect(await table.apply()).toMatchObject({ failures: [] })
  await using sets = open(scratch)
  expect(await sets.applyDeletes()).toMatchObject({ stillInUse: ['own-used'], failures: [] })
  expect(names(scratch)).toEqual(['own-used', 'theirs'])
  table.removeChain('own-c')
  await table.apply()
  expect(await sets.applyDeletes()).toMatchObject({ deleted: ['own-used'] })
})

test('a set that grows past its limit is swapped under the rule that uses it; another type waits for the rule to go', async () => {
  using scratch = scratchNetns()
  await using sets = open(scratch)
  const members = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}`)
  sets.setIpSet({ name: 'own-s', type: 'hash:ip', family: 4, members: members.slice(0, 8), maxElements: 8 })
  await sets.applyCreates()
  scratch.run('iptables-nft', ['-A', 'INPUT', '-m', 'set', '--match-set', 'own-s', 'src', '-j', 'DROP'])
  sets.addMembers('own-s', members)
  expect(await sets.applyCreates()).toMatchObject({ rewritten: ['own-s'], failures: [] })
  expect((await sets.read('own-s'))?.members.size).toBe(100)
  expect((await sets.read('own-s'))?.maxElements).toBe(128)
  // Another type can't be swapped in while a rule holds the set.
  sets.setIpSet({ name: 'own-s', type: 'hash:ip,port', family: 4, members: ['10.0.0.1,tcp:1'] })
  sets.setIpSet({ name: 'own-t', type: 'hash:ip', family: 4, members: ['10.0.0.1'] })
  const stuck = await sets.applyCreates()
  expect(stuck).toMatchObject({ created: ['own-t'], failures: [{ set: 'own-s', error: { code: 'IPSET_FAILED' } }] })
  expect(shown(scratch, 'own-s')).toHaveLength(100)
  scratch.run('iptables-nft', ['-F', 'INPUT'])
  expect(await sets.applyCreates()).toMatchObject({ rewritten: ['own-s'], failures: [] })
  expect(shown(scratch, 'own-s')).toEqual(['10.0.0.1,tcp:1'])
  expect(names(scratch)).toEqual(['own-s', 'own-t'])
})

test('full: removing makes room for adding without a rewrite', async () => {
  using scratch = scratchNetns()
  await using sets = open(scratch)
  sets.setIpSet({ name: 'own-s', type: 'hash:ip', family: 4, members: ['10.0.0.1', '10.0.0.2'], maxElements: 2 })
  await sets.applyCreates()
  sets.removeMembers('own-s', ['10.0.0.1'])
  sets.addMembers('own-s', ['10.0.0.3'])
  expect(await sets.applyCreates()).toMatchObject({ rewritten: [], membersAdded: 1, membersRemoved: 1, failures: [] })
  expect(shown(scratch, 'own-s')).toEqual(['10.0.0.2', '10.0.0.3'])
})

test('what a stranger flushed, added, or destroyed is repaired', async () => {
  using scratch = scratchNetns()
  await using sets = open(scratch)
  sets.setIpSet({ name: 'own-s', type: 'hash:ip', family: 4, members: ['10.0.0.1', '10.0.0.2'] })
  await sets.applyCreates()
  scratch.run('ipset', ['flush'])
  scratch.run('ipset', ['add', 'own-s', '10.9.9.9'])
  sets.markStale()
  expect(await sets.applyCreates()).toMatchObject({ created: [], membersAdded: 2, membersRemoved: 1 })
  expect(shown(scratch, 'own-s')).toEqual(['10.0.0.1', '10.0.0.2'])
  scratch.run('ipset', ['destroy'])
  sets.addMembers('own-s', ['10.0.0.3'])
  expect(await sets.applyCreates()).toMatchObject({ created: ['own-s'], failures: [] })
  expect(shown(scratch, 'own-s')).toHaveLength(3)
})

test('600 sets, and 20000 members in one', async () => {
  using scratch = scratchNetns()
  await using sets = open(scratch)
  for (let i = 0; i < 600; i++)
    sets.setIpSet({ name: `own-${i}`, type: 'hash:ip', family: 4, members: [`10.0.${i >> 8}.${i & 255}`] })
  const many = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  sets.setIpSet({ name: 'own-many', type: 'hash:net', family: 4, members: many })
  const result = await sets.applyCreates()
  expect(result.failures).toEqual([])
  expect(result.created).toHaveLength(601)
  expect(names(scratch)).toHaveLength(601)
  await using second = open(scratch)
  second.setIpSet({ name: 'own-many', type: 'hash:net', family: 4, members: many })
  expect(await second.applyCreates()).toMatchObject({ membersAdded: 0, membersRemoved: 0, rewritten: [] })
  expect((await second.applyDeletes()).deleted).toHaveLength(600)
  expect(shown(scratch, 'own-many')).toHaveLength(20_000)
})

test('bad input is refused by field', async () => {
  using scratch = scratchNetns()
  await using sets = open(scratch)
  const set = { name: 'own-s', type: 'hash:ip', family: 4, members: [] as string[] } as const
  for (const [bad, field] of [
    [{ ...set, name: 'other' }, 'name'],
    [{ ...set, name: 'own-.tmp1' }, 'name'],
    [{ ...set, name: `own-${'x'.repeat(28)}` }, 'name'],
    [{ ...set, members: ['10.0.0.0/8'] }, 'members'],
    [{ ...set, members: ['fd00::1'] }, 'members'],
    [{ ...set, members: ['10.0.0.1,tcp:80'] }, 'members'],
    [{ ...set, type: 'hash:ip,port' as const, members: ['10.0.0.1,tcp:65536'] }, 'members'],
    [{ ...set, type: 'hash:ip,port' as const, members: ['10.0.0.1,icmp:8'] }, 'members'],
    [{ ...set, type: 'bitmap:port' as IpSetType }, 'type'],
    [{ ...set, maxElements: 0 }, 'maxElements'],
  ] as const) {
    expect(() => sets.setIpSet(bad), JSON.stringify(bad)).toThrow(expect.objectContaining({ field }))
  }
  expect(() => sets.addMembers('own-none', ['10.0.0.1'])).toThrow(expect.objectContaining({ code: 'IPSET_BAD_SET' }))
})
