import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CompiledPolicy, compilePolicy } from '../../src/policy/compile-policy.ts'
import { type ExportTarget, RouteExporter } from '../../src/rib/export-rules.ts'
import type { GroupMark, GroupMember } from '../../src/rib/group-member.ts'
import { OutBlockStore } from '../../src/rib/out-block.ts'
import { UpdateGroup } from '../../src/rib/update-group.ts'
import { MessageFramer } from '../../src/wire/framing.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import { prefixText } from '../../src/wire/prefix-key.ts'
import { resolveUpdate } from '../../src/wire/resolve-update.ts'
import { NO_CACHE } from '../wire/no-cache.ts'
import { attributes, source, type TestPeer, world } from './paths.ts'

const WIRE = { fourOctetAs: true, internal: true }
const TARGET: ExportTarget = {
  kind: 'internal',
  localAsn: 65001,
  localAs: undefined,
  confederationId: undefined,
  client: true,
  clusterId: '192.0.2.200',
  nextHopSelf: false,
  nextHopUnchanged: false,
  ownNextHop: { 4: '10.9.3.2' },
  ownLinkLocal: undefined,
  defaultLocalPref: 100,
  removePrivateAs: false,
  role: undefined,
  longLived: false,
  drain: false,
  refuseAll: false,
  wire: WIRE,
  maxOctets: 4096,
}

/** A peer that decodes what it is sent, and holds it as a naive table. */
class FakeMember implements GroupMember {
  readonly peerIndex: number
  readonly address: string
  readonly table = new Map<string, string>()
  readonly marks: GroupMark[] = []
  readonly wire: Parameters<typeof resolveUpdate>[1]
  isCongested = false
  octets = 0
  messages = 0

  constructor(peer: TestPeer, address: string, wire: Parameters<typeof resolveUpdate>[1] = WIRE) {
    this.peerIndex = peer.index
    this.address = address
    this.wire = wire
  }

  send(octets: Buffer, messages: number): void {
    this.octets += octets.length
    const framer = new MessageFramer()
    framer.push(octets)
    let count = 0
    for (let message = framer.next(); message !== undefined; message = framer.next()) {
      this.#receive(message)
      count++
    }
    expect(count).toBe(messages)
    this.messages += messages
  }

  sendMark(kind: GroupMark): void {
    this.marks.push(kind)
  }

  #receive(message: Uint8Array): void {
    const decoded = decodeMessage(message, this.wire)
    if (decoded.type !== 'update') throw new Error('no UPDATE')
    const update = resolveUpdate(decoded, this.wire, [4, 6], NO_CACHE)
    expect(update.problems).toEqual([])
    const name = (entry: { key: Parameters<typeof prefixText>[0]; pathId: number }): string =>
      entry.pathId === 0 ? prefixText(entry.key) : `${prefixText(entry.key)} #${entry.pathId}`
    for (const { nlri } of update.withdrawn) for (const entry of nlri.entries) this.table.delete(name(entry))
    for (const { nlri, attributes: route } of update.announced) {
      for (const entry of nlri.entries) this.table.set(name(entry), `${route.nextHop} ${route.localPref}`)
    }
  }
}

function groupWorld(options: { addPaths?: number; policy?: CompiledPolicy } = {}) {
  const made = world()
  const rib = made.locRib.family(4)
  const blocks = new OutBlockStore()
  let now = 0
  const surroundings = {
    rib,
    blocks,
    maxOctets: 4096,
    addPaths: options.addPaths,
    now: () => now,
    wake: () => undefined,
  }
  const groups = new Set<UpdateGroup>()
  made.listeners.push((family, prefix, bestChanged) => {
    if (family === 4) for (const group of groups) group.prefixChanged(prefix, bestChanged)
  })
  const exporter = (policy: CompiledPolicy | undefined, target: ExportTarget) =>
    new RouteExporter(
      target,
      { compiled: policy, peer: { address: '', asn: 0, type: 'iBGP', localAsn: 0 } },
      rib,
      blocks,
    )
  const newGroup = (target = TARGET): UpdateGroup => {
    const group = new UpdateGroup('one', exporter(options.policy, target), surroundings)
    groups.add(group)
    return group
  }
  const settle = (): void => {
    let steps = 0
    for (const group of groups) while (group.run()) expect(++steps).toBeLessThan(10_000)
  }
  const advance = (ms: number): void => {
    now += ms
  }
  return { ...made, rib, blocks, newGroup, groups, exporter, surroundings, settle, advance }
}

/** What a member should hold: every best path that is neither its own nor has itself as next hop. */
function expected(setting: ReturnType<typeof groupWorld>, member: FakeMember): Map<string, string> {
  const { rib } = setting
  const table = new Map<string, string>()
  for (let prefix = 1; prefix < rib.prefixes.end; prefix++) {
    const best = rib.best(prefix)
    if (best === 0 || rib.paths.peer[best] === member.peerIndex) continue
    const { nextHop, localPref } = rib.attributesOf(best).attributes
    if (nextHop !== member.address) table.set(prefixText(rib.prefixes.keyOf(prefix)), `${nextHop} ${localPref ?? 100}`)
  }
  return table
}

test('the table, End-of-RIB, then differences alone', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1', { kind: 'internal' }))
  const to = new FakeMember(setting.peer(source('10.0.0.2', { kind: 'internal' })), '10.0.0.2')
  for (let index = 0; index < 3000; index++) from.announce(`10.${index >> 8}.${index & 255}.0/24`, attributes())
  const group = setting.newGroup()
  group.join(to)
  group.run()
  expect(to.marks).toEqual([])
  setting.settle()
  expect(to.table.size).toBe(3000)
  expect(to.marks).toEqual(['endOfRib'])
  expect(group.advertised(to)).toBe(3000)
  const { messages } = to
  from.announce('10.0.0.0/24', { ...attributes() })
  setting.settle()
  expect(to.messages).toBe(messages)
  from.withdraw('10.0.0.0/24')
  setting.settle()
  expect(to.messages).toBe(messages + 1)
  expect(to.table.size).toBe(2999)
})

test('many changes of one prefix are one, and a prefix that came and went is none', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1'))
  const to = new FakeMember(setting.peer(source('10.0.0.2')), '10.0.0.2')
  const group = setting.newGroup()
  group.join(to)
  for (let med = 0; med < 1000; med++) {
    from.announce('10.1.0.0/16', attributes({ med, localPref: med }))
    from.announce('10.2.0.0/16', attributes({ med }))
  }
  from.withdraw('10.2.0.0/16')
  expect(group.pending(to)).toBe(2)
  setting.settle()
  expect(to.table).toEqual(new Map([['10.1.0.0/16', '10.9.0.1 999']]))
  expect(to.messages).toBe(1)
})

test('what came from a member does not go back; it hears of it when another path takes over', () => {
  const setting = groupWorld()
  const peers = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((id) => setting.peer(source(id)))
  const [a, b] = peers as [TestPeer, TestPeer]
  const members = peers.map((peer, index) => new FakeMember(peer, `10.0.0.${index + 1}`))
  const group = setting.newGroup()
  for (const member of members) group.join(member)
  const check = (): void => {
    setting.settle()
    for (const member of members) {
      expect(member.table).toEqual(expected(setting, member))
      expect(group.advertised(member)).toBe(member.table.size)
    }
  }
  a.announce('10.1.0.0/16', attributes())
  check()
  expect(members.map((member) => member.table.size)).toEqual([0, 1, 1])
  b.announce('10.1.0.0/16', attributes({ localPref: 200 }))
  check()
  expect(members.map((member) => member.table.size)).toEqual([1, 0, 1])
  // The same attributes from another source: only those two hear of it.
  const { messages } = members[2] as FakeMember
  a.announce('10.1.0.0/16', attributes({ localPref: 200 }))
  check()
  expect((members[2] as FakeMember).messages).toBe(messages)
  expect(group.explain(members[0] as FakeMember, a.number('10.1.0.0/16', false))).toBe('cameFromPeer')
  a.announce('10.2.0.0/16', attributes({ nextHop: '10.0.0.3' }))
  check()
  expect(group.explain(members[2] as FakeMember, a.number('10.2.0.0/16', false))).toBe('nextHopIsPeer')
})

test('a refresh sends what is there again, and says when it is over', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1'))
  const to = new FakeMember(setting.peer(source('10.0.0.2')), '10.0.0.2')
  from.announce('10.1.0.0/16', attributes())
  from.announce('10.2.0.0/16', attributes())
  const group = setting.newGroup()
  group.join(to)
  setting.settle()
  to.table.clear()
  group.replay(to)
  setting.settle()
  expect(to.table).toEqual(expected(setting, to))
  expect(to.marks).toEqual(['endOfRib', 'beginningOfRefresh', 'endOfRefresh'])
})

test('requests while a replay is under way are one more replay, and none is begun on a full socket', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1'))
  const to = new FakeMember(setting.peer(source('10.0.0.2')), '10.0.0.2')
  for (let index = 0; index < 5000; index++) from.announce(`10.${index >> 8}.${index & 255}.0/24`, attributes())
  const group = setting.newGroup()
  group.join(to)
  setting.settle()
  const table = to.octets
  to.marks.length = 0
  to.isCongested = true
  for (let request = 0; request < 1000; request++) group.replay(to)
  setting.settle()
  expect([to.marks, to.octets, group.pending(to)]).toEqual([[], table, 1])
  to.isCongested = false
  // The walk over 5,000 prefixes takes three slices.
  for (let slice = 0; slice < 2; slice++) {
    group.run()
    for (let request = 0; request < 1000; request++) group.replay(to)
  }
  setting.settle()
  expect(to.marks).toEqual(['beginningOfRefresh', 'endOfRefresh', 'beginningOfRefresh', 'endOfRefresh'])
  // The table, and two replays of three whole slices (6,144 prefixes) each; 2,000 of them would be 2,457 times that.
  expect(to.octets / table).toBeLessThan(3.5)
  to.table.clear()
  group.replay(to)
  setting.settle()
  expect(to.table).toEqual(expected(setting, to))
})

test('members that all stop reading at once are parked, and go on when they read again', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1'))
  const members = ['10.0.0.2', '10.0.0.3'].map((address) => new FakeMember(setting.peer(source(address)), address))
  const group = setting.newGroup()
  for (const member of members) group.join(member)
  setting.settle()
  for (const member of members) member.isCongested = true
  from.announce('10.1.0.0/16', attributes())
  setting.settle()
  setting.advance(150)
  setting.settle()
  for (const member of members) member.isCongested = false
  setting.settle()
  for (const member of members) expect(member.table).toEqual(expected(setting, member))
  expect(members[0]?.table.size).toBe(1)
})

test('a member that reads nothing is parked, holds nobody up, and catches up', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1'))
  const slow = new FakeMember(setting.peer(source('10.0.0.2')), '10.0.0.2')
  const quick = new FakeMember(setting.peer(source('10.0.0.3')), '10.0.0.3')
  const group = setting.newGroup()
  group.join(slow)
  group.join(quick)
  from.announce('10.1.0.0/16', attributes())
  from.announce('10.3.0.0/16', attributes())
  setting.settle()
  slow.isCongested = true
  from.announce('10.2.0.0/16', attributes())
  from.withdraw('10.3.0.0/16')
  setting.settle()
  expect(quick.table.has('10.2.0.0/16')).toBe(false)
  setting.advance(101)
  setting.settle()
  expect(quick.table).toEqual(expected(setting, quick))
  expect(slow.table.has('10.2.0.0/16')).toBe(false)
  expect(group.pending(slow)).toBe(2)
  slow.isCongested = false
  setting.settle()
  expect(slow.table).toEqual(expected(setting, slow))
  expect(group.pending(slow)).toBe(0)
})

test('other settings for one member of a shared group: the difference, to it alone', () => {
  const setting = groupWorld()
  const from = setting.peer(source('10.0.0.1'))
  const a = new FakeMember(setting.peer(source('10.0.0.2')), '10.0.0.2')
  const b = new FakeMember(setting.peer(source('10.0.0.3')), '10.0.0.3')
  const group = setting.newGroup()
  group.join(a)
  group.join(b)
  for (const prefix of ['10.1.0.0/16', '10.2.0.0/16']) from.announce(prefix, attributes())
  setting.settle()
  const messages = [a.messages, b.messages]
  const own = group.split(a, setting.surroundings)
  setting.groups.add(own)
  const policy = compilePolicy({ rules: [{ action: 'accept', prefix: '10.1.0.0/16' }] })
  own.retarget('two', setting.exporter(policy, TARGET))
  setting.settle()
  expect([...a.table.keys()]).toEqual(['10.1.0.0/16'])
  expect(a.messages).toBe((messages[0] as number) + 1)
  expect(b.messages).toBe(messages[1])
  expect(b.table.size).toBe(2)
})

test('ADD-PATH: every path under its own identifier, as many as are asked for (RFC 7911)', () => {
  const wire = { ...WIRE, addPath: { send: [4 as const], receive: [4 as const] } }
  const setting = groupWorld({ addPaths: 2 })
  const peers = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((id) => setting.peer(source(id)))
  const to = new FakeMember(setting.peer(source('10.0.0.9')), '10.0.0.9', wire)
  const group = setting.newGroup({ ...TARGET, wire })
  group.join(to)
  const hops = (): string[] => [...to.table.values()].toSorted()
  peers.forEach((peer, index) => peer.announce('10.1.0.0/16', attributes({ nextHop: `10.9.0.${index + 1}` })))
  setting.settle()
  expect(hops()).toEqual(['10.9.0.1 100', '10.9.0.2 100'])
  peers[0]?.withdraw('10.1.0.0/16')
  setting.settle()
  expect(hops()).toEqual(['10.9.0.2 100', '10.9.0.3 100'])
  const names = [...to.table.keys()].toSorted()
  peers[1]?.announce('10.1.0.0/16', attributes({ nextHop: '10.9.0.7' }))
  setting.settle()
  expect([...to.table.keys()].toSorted()).toEqual(names)
  expect(hops()).toEqual(['10.9.0.3 100', '10.9.0.7 100'])
  for (const peer of peers) peer.withdraw('10.1.0.0/16')
  setting.settle()
  expect(hops()).toEqual([])
})

test('whatever happens, every member holds what a naive table says, and nothing leaks', () => {
  const prefix = fc.integer({ min: 0, max: 7 }).map((index) => `10.${index}.0.0/16`)
  const who = fc.integer({ min: 0, max: 3 })
  const nextHop = fc.constantFrom('10.9.0.1', '10.0.0.1', '10.0.0.2')
  const step = fc.oneof(
    fc.record({ do: fc.constant('announce' as const), who, prefix, nextHop, localPref: fc.constantFrom(50, 100) }),
    fc.record({ do: fc.constant('withdraw' as const), who, prefix }),
    fc.record({ do: fc.constantFrom('join', 'leave', 'refresh', 'clog', 'clear') as fc.Arbitrary<'join'>, who }),
    fc.record({ do: fc.constantFrom('run' as const, 'wait' as const, 'clogAll' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const setting = groupWorld()
      const peers = [0, 1, 2, 3].map((index) => setting.peer(source(`10.0.0.${index + 1}`)))
      const anchor = new FakeMember(setting.peer(source('10.0.0.99')), '10.0.0.99')
      const group = setting.newGroup()
      group.join(anchor)
      const members = new Map<number, FakeMember>()
      for (const event of steps) {
        const index = 'who' in event ? event.who : 0
        const peer = peers[index] as TestPeer
        const member = members.get(index)
        if (event.do === 'announce') {
          peer.announce(event.prefix, attributes({ nextHop: event.nextHop, localPref: event.localPref }))
        } else if (event.do === 'withdraw') peer.withdraw(event.prefix)
        else if (event.do === 'run') group.run()
        else if (event.do === 'wait') setting.advance(150)
        else if (event.do === 'clogAll') for (const each of [anchor, ...members.values()]) each.isCongested = true
        else if (event.do === 'join' && member === undefined) {
          const joined = new FakeMember(peer, `10.0.0.${index + 1}`)
          members.set(index, joined)
          group.join(joined)
        } else if (member !== undefined) change(event.do, member)
      }
      function change(what: string, member: FakeMember): void {
        if (what === 'leave') {
          group.leave(member)
          for (const [index, each] of members) if (each === member) members.delete(index)
        } else if (what === 'refresh') group.replay(member)
        else if (what === 'clog') member.isCongested = true
        else if (what === 'clear') member.isCongested = false
      }
      for (const member of [anchor, ...members.values()]) member.isCongested = false
      setting.settle()
      for (const member of [anchor, ...members.values()]) {
        expect(member.table).toEqual(expected(setting, member))
        expect(group.advertised(member)).toBe(member.table.size)
        expect(group.pending(member)).toBe(0)
        expect(member.marks[0]).toBe('endOfRib')
      }
      for (const member of [anchor, ...members.values()]) group.leave(member)
      setting.groups.clear()
      for (const peer of peers) for (let index = 0; index < 8; index++) peer.withdraw(`10.${index}.0.0/16`)
      expect(setting.rib.prefixes.size).toBe(0)
      expect(setting.locRib.attributes.size).toBe(0)
      expect(setting.blocks.size).toBe(0)
    }),
    { numRuns: 300 },
  )
})
