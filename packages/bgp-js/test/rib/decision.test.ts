import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AttributeSet, AttributeStore } from '../../src/rib/attribute-store.ts'
import { type BestPathReason, Decision, type DecisionRules } from '../../src/rib/decision.ts'
import type { PathSource } from '../../src/rib/path.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import { attributes, RULES, source } from './paths.ts'

interface Candidate {
  readonly source: PathSource
  readonly set: AttributeSet
  readonly pathId: number
  readonly llgrStale: boolean
}

const store = new AttributeStore()

function path(from: PathSource, more: Partial<PathAttributes> = {}, mark: Partial<Candidate> = {}): Candidate {
  return { source: from, set: store.intern(attributes(more)), pathId: 0, llgrStale: false, ...mark }
}

/** The decision process over candidates as they stand in a list: path n is the nth of them. */
function over(candidates: readonly Candidate[], rules: DecisionRules) {
  const at = (path: number): Candidate => candidates[path - 1] as Candidate
  const decision = new Decision(
    {
      attributesOf: (path) => at(path).set,
      sourceOf: (path) => at(path).source,
      isLlgrStale: (path) => at(path).llgrStale,
      pathIdOf: (path) => at(path).pathId,
    },
    rules,
  )
  return { decision, at, numbers: candidates.map((_, index) => index + 1) }
}

function select(candidates: readonly Candidate[], rules: DecisionRules) {
  const { decision, at, numbers } = over(candidates, rules)
  const best = decision.select(numbers)
  return best === 0 ? undefined : { best: at(best), multipath: decision.equalCost.map(at) }
}

function rank(candidates: readonly Candidate[], rules: DecisionRules) {
  const { decision, at, numbers } = over(candidates, rules)
  return decision.rank(numbers).map((item) => ({ ...item, path: at(item.path) }))
}

const peerA = source('10.0.0.1')
const peerB = source('10.0.0.2')
const via = (...asns: number[]): Partial<PathAttributes> => ({ asPath: [{ type: 'sequence', asns }] })

// The first path wins, the second loses, for the named reason (RFC 4271 §9.1.2.2, RFC 4456 §9).
const rows: readonly [BestPathReason, string, Candidate, Candidate][] = [
  [
    'LocalOrigin',
    'our own before anything learned',
    path(source('local', { kind: 'local' })),
    path(peerA, { localPref: 999 }),
  ],
  ['LocalPref', 'higher LOCAL_PREF', path(peerB, { localPref: 200, ...via(1, 2, 3) }), path(peerA, { localPref: 150 })],
  ['LocalPref', 'absent is 100', path(peerB, {}), path(peerA, { localPref: 99 })],
  ['AsPathLength', 'shorter AS_PATH', path(peerB, via(1)), path(peerA, via(1, 2))],
  [
    'AsPathLength',
    'a set counts one',
    path(peerB, { asPath: [{ type: 'set', asns: [1, 2, 3] }], origin: 2 }),
    path(peerA, via(1, 2)),
  ],
  [
    'AsPathLength',
    'confederation segments count nothing',
    path(peerB, {
      asPath: [
        { type: 'confedSequence', asns: [7, 8] },
        { type: 'sequence', asns: [1] },
      ],
    }),
    path(peerA, via(1, 2)),
  ],
  ['Origin', 'IGP before EGP', path(peerB, { origin: 0 }), path(peerA, { origin: 1 })],
  ['Origin', 'EGP before incomplete', path(peerB, { origin: 1 }), path(peerA, { origin: 2 })],
  ['Med', 'lower MED of one neighbour AS', path(peerB, { med: 1 }), path(peerA, { med: 2 })],
  ['Med', 'absent MED is 0', path(peerB, {}), path(peerA, { med: 1 })],
  ['ExternalOverInternal', 'eBGP before iBGP', path(peerB), path(source('10.0.0.1', { kind: 'internal' }))],
  ['RouterId', 'lower identifier', path(source('10.0.0.9', { routerIdText: '1.1.1.1' })), path(peerA)],
  [
    'RouterId',
    'ORIGINATOR_ID stands for it',
    path(source('10.0.0.9', { kind: 'internal' }), { originatorId: '1.1.1.1' }),
    path(source('10.0.0.1', { kind: 'internal' })),
  ],
  [
    'ClusterListLength',
    'shorter CLUSTER_LIST',
    path(source('10.0.0.9', { kind: 'internal', routerIdText: '5.5.5.5' }), { clusterList: ['1.1.1.1'] }),
    path(source('10.0.0.1', { kind: 'internal', routerIdText: '5.5.5.5' }), { clusterList: ['1.1.1.1', '2.2.2.2'] }),
  ],
  [
    'PeerAddress',
    'lower address',
    path(source('10.0.0.1', { routerIdText: '5.5.5.5' })),
    path(source('10.0.0.2', { routerIdText: '5.5.5.5' })),
  ],
  [
    'LlgrStale',
    'a fresh path before one of a peer long gone',
    path(peerB, { localPref: 1 }),
    path(peerA, {}, { llgrStale: true }),
  ],
  [
    'LlgrStale',
    'LLGR_STALE in the route itself',
    path(peerB, { localPref: 1 }),
    path(peerA, { communities: [0xffff0006] }),
  ],
  [
    'ExternalOverInternal',
    'eBGP before a confederation peer',
    path(peerB),
    path(source('10.0.0.1', { kind: 'confederation' })),
  ],
  [
    'PathId',
    'lower path identifier of one peer',
    path(peerA, {}, { pathId: 1 }),
    path(peerA, { communities: [1] }, { pathId: 2 }),
  ],
]

test.for(rows)('%s: %s', ([reason, , winner, loser]) => {
  for (const candidates of [
    [winner, loser],
    [loser, winner],
  ]) {
    expect(select(candidates, RULES)?.best).toBe(winner)
    const ranked = rank(candidates, RULES)
    expect(ranked.map((item) => [item.path, item.isBest, item.reason])).toEqual([
      [winner, true, reason],
      [loser, false, reason],
    ])
  }
})

test('OnlyPath', () => {
  expect(rank([path(peerA)], RULES)).toMatchObject([{ isBest: true, reason: 'OnlyPath' }])
})

test('NextHopUnreachable: such a path is never chosen, however good', () => {
  const rules: DecisionRules = { ...RULES, nextHopMetric: (hop) => (hop === '10.9.0.1' ? undefined : 0) }
  const dead = path(peerA, { localPref: 500 })
  const alive = path(peerB, { nextHop: '10.9.0.2' })
  expect(select([dead, alive], rules)?.best).toBe(alive)
  expect(rank([dead, alive], rules)).toMatchObject([{ reason: 'OnlyPath' }, { reason: 'NextHopUnreachable' }])
  expect(select([dead], rules)).toBe(undefined)
})

test('NextHopMetric: the nearer exit', () => {
  const rules: DecisionRules = { ...RULES, nextHopMetric: (hop) => (hop === '10.9.0.1' ? 20 : 10) }
  const near = path(source('10.0.0.9'), { nextHop: '10.9.0.2' })
  expect(rank([path(peerA), near], rules)).toMatchObject([{ path: near, reason: 'NextHopMetric' }, {}])
})

test('MED of different neighbours is compared only when asked for', () => {
  const low = path(peerB, { ...via(7), med: 1 })
  const high = path(peerA, { ...via(8), med: 2 })
  expect(select([low, high], RULES)?.best).toBe(high)
  expect(select([low, high], { ...RULES, alwaysCompareMed: true })?.best).toBe(low)
})

test('multipath takes what ties up to the cost of the way, the best first', () => {
  const rules = { ...RULES, multipath: true }
  const a = path(peerA, { nextHop: '10.9.0.1' })
  const b = path(peerB, { nextHop: '10.9.0.2' })
  const longer = path(source('10.0.0.3'), { ...via(1, 2), nextHop: '10.9.0.3' })
  expect(select([longer, b, a], rules)?.best).toBe(a)
  expect(new Set(select([longer, b, a], rules)?.multipath)).toEqual(new Set([a, b]))
  expect(select([longer, b, a], RULES)).toEqual({ best: a, multipath: [a] })
})

test('the choice does not depend on the order in which paths came', () => {
  const candidate = fc
    .record({
      peer: fc.integer({ min: 1, max: 6 }),
      kind: fc.constantFrom('external' as const, 'internal' as const),
      localPref: fc.constantFrom(undefined, 100, 200),
      asns: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      origin: fc.constantFrom(0, 1, 2),
      med: fc.constantFrom(undefined, 0, 5),
    })
    .map(({ peer, kind, localPref, asns, origin, med }) =>
      path(source(`10.0.0.${peer}`, { kind }), {
        origin,
        ...via(...asns),
        ...(localPref === undefined ? {} : { localPref }),
        ...(med === undefined ? {} : { med }),
      }),
    )
  const candidates = fc.uniqueArray(candidate, { minLength: 1, maxLength: 6, selector: (item) => item.source.id })
  fc.assert(
    fc.property(candidates, fc.boolean(), (paths, multipath) => {
      const rules = { ...RULES, multipath }
      const expected = select(paths, rules)
      const reversed = select(paths.toReversed(), rules)
      const rotated = select([...paths.slice(1), ...paths.slice(0, 1)], rules)
      expect(reversed?.best).toBe(expected?.best)
      expect(rotated?.best).toBe(expected?.best)
      expect(new Set(reversed?.multipath)).toEqual(new Set(expected?.multipath))
      expect(rank(paths, rules)[0]?.path).toBe(expected?.best)
    }),
  )
})
