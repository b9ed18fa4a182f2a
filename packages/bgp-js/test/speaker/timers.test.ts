import type { Family } from '@margay/net'
import { expect, test } from 'vitest'
import type { Negotiated } from '../../src/fsm/negotiation.ts'
import { LazyTimer } from '../../src/speaker/lazy-timer.ts'
import { RestartDeferral } from '../../src/speaker/restart-deferral.ts'
import { type Retention, StaleRoutes } from '../../src/speaker/stale-routes.ts'
import { type SlicedTask, WorkLoop } from '../../src/speaker/work-loop.ts'
import { type PathAttributes, WellKnownCommunity } from '../../src/wire/path-attributes.ts'
import { attributes, source, world } from '../rib/paths.ts'
import { ManualClock } from './manual-clock.ts'

test('LazyTimer: pushed back it fires later, pulled in it fires sooner, stopped it does not', () => {
  const clock = new ManualClock()
  const fired: number[] = []
  const timer = new LazyTimer(clock, () => fired.push(clock.now()))
  timer.start(1000)
  clock.advance(900)
  timer.start(1000)
  clock.advance(999)
  expect(fired).toEqual([])
  expect(timer.remainingMs).toBe(1)
  clock.advance(2)
  expect(fired).toHaveLength(1)
  timer.start(5000)
  timer.start(10)
  clock.advance(10)
  expect(fired).toHaveLength(2)
  timer.start(10)
  timer.stop()
  clock.advance(10_000)
  expect(fired).toHaveLength(2)
  expect(clock.pending).toBe(0)
})

const both: readonly Family[] = [4, 6]
const negotiated = (more: Partial<Negotiated> = {}, families = both, restarting = false): Negotiated => ({
  wire: { fourOctetAs: true, internal: false },
  kind: 'external',
  families: both,
  holdTimeSeconds: 90,
  keepaliveSeconds: 30,
  peerRouterId: '1.1.1.1',
  peerAsn: 1,
  routeRefresh: true,
  enhancedRefresh: false,
  addPath: { send: [], receive: [] },
  extendedNextHop: false,
  peerRole: undefined,
  peerLongLived: [],
  maxOctets: 4096,
  peerGracefulRestart: {
    name: 'gracefulRestart',
    restarting,
    notification: true,
    restartTimeSeconds: 60,
    families: families.map((family) => ({ family, forwardingPreserved: true })),
  },
  notificationRestart: true,
  peerCapabilities: [],
  ...more,
})

function deferral(peers: readonly string[]) {
  const clock = new ManualClock()
  const settled: [Family, number][] = []
  const restart = new RestartDeferral(clock, (family) => settled.push([family, clock.now()]))
  restart.begin(
    peers.map((id) => ({ id, families: both })),
    120,
  )
  return { clock, restart, settled }
}

test('deferral: ends per family when every peer has sent End-of-RIB', () => {
  const { restart, settled, clock } = deferral(['a', 'b'])
  restart.peerUp('a', negotiated())
  restart.peerUp('b', negotiated())
  restart.endOfRib('a', 4)
  expect(settled).toEqual([])
  restart.endOfRib('b', 4)
  expect(settled).toEqual([[4, 0]])
  restart.endOfRib('a', 6)
  restart.endOfRib('b', 6)
  expect(settled).toEqual([
    [4, 0],
    [6, 0],
  ])
  expect(clock.pending).toBe(0)
})

test('GoBGP 748e233f: a peer that never came up does not count as having sent End-of-RIB, it times out', () => {
  const { restart, settled, clock } = deferral(['a', 'silent'])
  restart.peerUp('a', negotiated())
  restart.endOfRib('a', 4)
  restart.endOfRib('a', 6)
  clock.advance(9999)
  expect(settled).toEqual([])
  clock.advance(1)
  expect(settled).toEqual([
    [4, 10_000],
    [6, 10_000],
  ])
})

test.for([
  ['offers no graceful restart', negotiated({ peerGracefulRestart: undefined })],
  ['is restarting itself', negotiated({}, both, true)],
  ['does not offer the family', negotiated({}, [])],
  ['does not carry the family', negotiated({ families: [] })],
])('deferral: no waiting for a peer that %s', ([, facts]) => {
  const { restart, settled } = deferral(['a'])
  restart.peerUp('a', facts as Negotiated)
  expect(settled.map(([family]) => family)).toEqual([4, 6])
})

test('deferral: a family that no peer is configured for begins at once', () => {
  const clock = new ManualClock()
  const settled: [Family, number][] = []
  const restart = new RestartDeferral(clock, (family) => settled.push([family, clock.now()]))
  restart.begin([{ id: 'a', families: [4] }], 120)
  expect(settled).toEqual([[6, 0]])
  restart.peerUp('a', negotiated({ families: [4] }))
  restart.endOfRib('a', 4)
  expect(settled).toEqual([
    [6, 0],
    [4, 0],
  ])
})

test('deferral: no waiting for a peer that refuses connections, or is gone again, or for nobody', () => {
  const dead = deferral(['a'])
  dead.restart.connectFailed('a')
  expect(dead.settled).toEqual([])
  dead.restart.connectFailed('a')
  expect(dead.settled).toHaveLength(2)
  const gone = deferral(['a'])
  gone.restart.peerUp('a', negotiated())
  gone.restart.peerGone('a')
  expect(gone.settled).toHaveLength(2)
  expect(deferral([]).settled).toHaveLength(2)
})

test('deferral: a peer that is up and never sends End-of-RIB is waited for until the restart time, no longer', () => {
  const { restart, settled, clock } = deferral(['a'])
  restart.peerUp('a', negotiated())
  clock.advance(119_999)
  expect(settled).toEqual([])
  clock.advance(1)
  expect(settled).toHaveLength(2)
})

/** Runs its tasks when told to. */
function manualWork(): { work: WorkLoop; drain: () => void } {
  const tasks: SlicedTask[] = []
  const work = { schedule: (task: SlicedTask) => tasks.push(task) } as unknown as WorkLoop
  const drain = (): void => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) if (task.run()) tasks.push(task)
  }
  return { work, drain }
}

const keep = (families: readonly Family[], restartTimeSeconds: number, longLivedSeconds = {}): Retention => ({
  families,
  restartTimeSeconds,
  longLivedSeconds,
})

function helper() {
  const clock = new ManualClock()
  const { work, drain } = manualWork()
  const { locRib, peer, best } = world()
  const restarting = peer(source('10.0.0.1'))
  const stale = new StaleRoutes(clock, work, restarting.tables)
  const announce = (prefix: string, more: Partial<PathAttributes> = {}): void =>
    restarting.announce(prefix, attributes(more))
  const prefixes = (): number => {
    drain()
    return locRib.family(4).size + locRib.family(6).size
  }
  announce('10.1.0.0/16')
  announce('10.2.0.0/16')
  announce('fd00::/48')
  const offer = negotiated().peerGracefulRestart
  return { clock, stale, announce, prefixes, offer, peer, best, drain }
}

test('helper: without graceful restart everything goes with the session', () => {
  const { stale, prefixes } = helper()
  stale.sessionDown(keep([], 0))
  expect(prefixes()).toBe(0)
})

test('helper: routes stay, are renewed, and the rest goes at End-of-RIB', () => {
  const { clock, stale, announce, prefixes, offer } = helper()
  stale.sessionDown(keep([4, 6], 60))
  clock.advance(59_000)
  expect(prefixes()).toBe(3)
  stale.sessionUp(offer, both, 360_000)
  announce('10.1.0.0/16')
  expect(prefixes()).toBe(3)
  stale.endOfRib(4)
  expect(prefixes()).toBe(2)
  stale.endOfRib(6)
  expect(prefixes()).toBe(1)
  expect(clock.pending).toBe(0)
})

test('helper: a peer that does not come back loses its routes after its restart time', () => {
  const { clock, stale, prefixes } = helper()
  stale.sessionDown(keep([4, 6], 60))
  clock.advance(60_001)
  expect(prefixes()).toBe(0)
})

test('helper: a family that is not offered again, or whose forwarding state is lost, goes at once', () => {
  const lost = helper()
  lost.stale.sessionDown(keep([4, 6], 60))
  lost.stale.sessionUp(undefined, both, 360_000)
  expect(lost.prefixes()).toBe(0)
  const partly = helper()
  partly.stale.sessionDown(keep([4, 6], 60))
  const families = [
    { family: 4 as const, forwardingPreserved: false },
    { family: 6 as const, forwardingPreserved: true },
  ]
  partly.stale.sessionUp(partly.offer === undefined ? undefined : { ...partly.offer, families }, both, 360_000)
  expect(partly.prefixes()).toBe(1)
})

test('helper: a peer that is back and never finishes is given a bounded time', () => {
  const { clock, stale, prefixes, offer } = helper()
  stale.sessionDown(keep([4], 60))
  expect(prefixes()).toBe(2)
  stale.sessionUp(offer, both, 360_000)
  clock.advance(360_001)
  expect(prefixes()).toBe(0)
})

test('RFC 9494: routes of a peer that stays away are the last choice for a time, and not at all where it asked for that', () => {
  const { clock, stale, announce, prefixes, peer, best, drain, offer } = helper()
  announce('10.3.0.0/16', { communities: [WellKnownCommunity.NoLlgr] })
  const other = peer(source('10.0.0.2'))
  other.announce('10.1.0.0/16', attributes({ localPref: 1 }))
  stale.sessionDown(keep([4, 6], 60, { 4: 3600 }))
  drain()
  expect(best('10.1.0.0/16')).toBe('10.0.0.1')
  clock.advance(60_001)
  expect(prefixes()).toBe(2)
  expect(stale.longLived).toEqual([4])
  expect(best('10.1.0.0/16')).toBe('10.0.0.2')
  expect(best('10.2.0.0/16')).toBe('10.0.0.1')
  stale.sessionUp(offer, both, 3_600_000)
  announce('10.1.0.0/16')
  expect(best('10.1.0.0/16')).toBe('10.0.0.1')
  clock.advance(3_600_000)
  expect(prefixes()).toBe(1)
  expect(clock.pending).toBe(0)
})

test('RFC 9494 without a restart time: the last choice at once', () => {
  const { clock, stale, prefixes } = helper()
  stale.sessionDown(keep([4], 0, { 4: 10 }))
  expect(prefixes()).toBe(2)
  expect(stale.longLived).toEqual([4])
  clock.advance(10_001)
  expect(prefixes()).toBe(0)
})

test('RFC 7313: what is not sent again between the marks is gone', () => {
  const { stale, announce, prefixes } = helper()
  stale.beginRefresh(4)
  announce('10.2.0.0/16')
  expect(prefixes()).toBe(3)
  stale.endRefresh(4)
  expect(prefixes()).toBe(2)
})

test('WorkLoop: every task gets its turn, one that throws does not stop the others', async () => {
  const errors: unknown[] = []
  const work = new WorkLoop((error) => errors.push(error))
  const order: string[] = []
  const task = (name: string, times: number): SlicedTask => ({
    run: () => {
      order.push(name)
      times--
      return times > 0
    },
  })
  const done = new Promise<void>((resolve) => {
    work.schedule(task('a', 3))
    work.schedule({
      run: () => {
        throw new Error('broken')
      },
    })
    work.schedule(task('b', 2))
    const last: SlicedTask = {
      run: () => {
        if (order.length === 5) resolve()
        return order.length < 5
      },
    }
    work.schedule(last)
  })
  await done
  expect(order).toEqual(['a', 'b', 'a', 'b', 'a'])
  expect(errors).toHaveLength(1)
})
