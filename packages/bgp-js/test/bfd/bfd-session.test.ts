import { describe, expect, test } from 'vitest'
import type { BfdPacket, BfdState } from '../../src/bfd/bfd-packet.ts'
import { BfdSession, type BfdSessionOptions } from '../../src/bfd/bfd-session.ts'

const FAST = { minTxMs: 50, minRxMs: 50, multiplier: 3 }

const session = (more: Partial<BfdSessionOptions> = {}): BfdSession =>
  new BfdSession({ ...FAST, localDiscriminator: 1, passive: false, random: () => 1, ...more }, 0)

const packet = (more: Partial<BfdPacket> = {}): BfdPacket => ({
  diagnostic: 0,
  state: 'Down',
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMultiplier: 3,
  myDiscriminator: 2,
  yourDiscriminator: 1,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
  ...more,
})

/** Packets that bring a new session into a state. */
const WAY_TO: Record<BfdState, readonly BfdState[]> = { AdminDown: [], Down: [], Init: ['Down'], Up: ['Init'] }

function sessionIn(state: BfdState, more: Partial<BfdSessionOptions> = {}): BfdSession {
  const made = session(more)
  for (const received of WAY_TO[state]) made.receive(packet({ state: received }), 0)
  if (state === 'AdminDown') made.adminDown(0)
  expect(made.state).toBe(state)
  return made
}

/** Up, with the Poll Sequence that Up begins behind it. */
function settled(more: Partial<BfdSessionOptions> = {}): BfdSession {
  const made = sessionIn('Up', more)
  made.receive(packet({ state: 'Up', final: true }), 0)
  expect(made.isPolling).toBe(false)
  made.advance(0)
  return made
}

describe('states (RFC 5880 §6.2, §6.8.6)', () => {
  const rows: readonly [BfdState, BfdState, BfdState, string?][] = [
    ['Down', 'AdminDown', 'Down'],
    ['Down', 'Down', 'Init'],
    ['Down', 'Init', 'Up'],
    ['Down', 'Up', 'Down'],
    ['Init', 'AdminDown', 'Down', 'neighborSignaledSessionDown'],
    ['Init', 'Down', 'Init'],
    ['Init', 'Init', 'Up'],
    ['Init', 'Up', 'Up'],
    ['Up', 'AdminDown', 'Down', 'neighborSignaledSessionDown'],
    ['Up', 'Down', 'Down', 'neighborSignaledSessionDown'],
    ['Up', 'Init', 'Up'],
    ['Up', 'Up', 'Up'],
    ['AdminDown', 'AdminDown', 'AdminDown', 'administrativelyDown'],
    ['AdminDown', 'Down', 'AdminDown', 'administrativelyDown'],
    ['AdminDown', 'Init', 'AdminDown', 'administrativelyDown'],
    ['AdminDown', 'Up', 'AdminDown', 'administrativelyDown'],
  ]
  test.for(rows)('%s, %s received → %s', ([from, received, to, diagnostic = 'noDiagnostic']) => {
    const tested = sessionIn(from)
    tested.receive(packet({ state: received }), 1)
    expect(tested.state).toBe(to)
    expect(tested.localDiagnostic).toBe(diagnostic)
  })

  test('silence for the detection time ends Init and Up, and the other end is forgotten', () => {
    for (const state of ['Init', 'Up'] as const) {
      const tested = sessionIn(state)
      const end = tested.detectionTimeMs
      tested.advance(end - 1)
      expect(tested.state).toBe(state)
      const [sent] = tested.advance(end)
      expect(tested).toMatchObject({ state: 'Down', localDiagnostic: 'controlDetectionTimeExpired' })
      expect(sent).toMatchObject({ state: 'Down', diagnostic: 1, yourDiscriminator: 0 })
    }
  })

  test('a state that is new is told at once; AdminDown and back', () => {
    const tested = settled()
    tested.adminDown(10)
    expect(tested.advance(10)).toMatchObject([{ state: 'AdminDown', diagnostic: 7 }])
    expect(tested.advance(11)).toEqual([])
    tested.adminUp(20)
    expect(tested.state).toBe('Down')
    expect(tested.advance(20)).toMatchObject([{ state: 'Down' }])
  })
})

describe('times (RFC 5880 §6.8.2, §6.8.3, §6.8.4, §6.8.7)', () => {
  test('one packet a second until the session is up', () => {
    const tested = session()
    expect(tested.advance(0)).toMatchObject([{ desiredMinTxUs: 1_000_000, requiredMinRxUs: 50_000, poll: false }])
    expect(tested.wakeAt).toBe(1000)
    expect(tested.advance(999)).toEqual([])
    expect(tested.advance(1000)).toHaveLength(1)
  })

  test('then the greater of what we like to send and what the other end can take', () => {
    const slowReceiver = settled()
    slowReceiver.receive(packet({ state: 'Up', requiredMinRxUs: 300_000 }), 5)
    expect(slowReceiver.transmitIntervalMs).toBe(300)
    expect(slowReceiver.wakeAt).toBe(155)
    slowReceiver.receive(packet({ state: 'Up', requiredMinRxUs: 10_000 }), 6)
    expect(slowReceiver.transmitIntervalMs).toBe(50)
    expect(slowReceiver.advance(50)).toHaveLength(1)
  })

  test('detection time: their multiplier, times the greater of their sending and our receiving', () => {
    const tested = settled({ minRxMs: 80 })
    tested.receive(packet({ state: 'Up', detectMultiplier: 5, desiredMinTxUs: 20_000 }), 1)
    expect(tested.detectionTimeMs).toBe(400)
    tested.receive(packet({ state: 'Up', detectMultiplier: 2, desiredMinTxUs: 200_000 }), 2)
    expect(tested.detectionTimeMs).toBe(400)
    expect(tested.isDetectionDue(401.9)).toBe(false)
    expect(tested.isDetectionDue(402)).toBe(true)
  })

  test.for([
    { multiplier: 3, random: 0, expected: 37.5 },
    { multiplier: 3, random: 1, expected: 50 },
    { multiplier: 1, random: 0, expected: 37.5 },
    { multiplier: 1, random: 1, expected: 45 },
  ])('jitter: multiplier $multiplier, chance $random → $expected ms', ({ multiplier, random, expected }) => {
    const tested = settled({ multiplier, random: () => random })
    tested.advance(100)
    expect(tested.wakeAt - 100).toBe(Math.min(expected, tested.detectionTimeMs))
  })

  test('a second without packets at 50 ms × 3: 20 sent, then none missed', () => {
    const tested = settled()
    let sent = 0
    for (let now = 1; now <= 1000; now++) {
      if (now % 10 === 0) tested.receive(packet({ state: 'Up' }), now)
      sent += tested.advance(now).length
    }
    expect(sent).toBe(20)
    expect(tested.state).toBe('Up')
  })

  test('an end that can take nothing is sent nothing', () => {
    const tested = settled()
    tested.receive(packet({ state: 'Up', requiredMinRxUs: 0 }), 1)
    expect(tested.advance(120)).toEqual([])
    expect(tested.wakeAt).toBe(151)
  })

  test('demand mode of the other end is obeyed, but for a Poll Sequence', () => {
    const tested = settled()
    tested.receive(packet({ state: 'Up', demand: true }), 1)
    expect(tested.advance(100)).toEqual([])
    tested.configure({ ...FAST, minRxMs: 60 }, 100)
    expect(tested.advance(100)).toMatchObject([{ poll: true }])
    tested.receive(packet({ state: 'Up', demand: true, final: true }), 101)
    expect(tested.advance(200)).toEqual([])
  })

  test('the passive end waits for the other one', () => {
    const tested = session({ passive: true })
    expect(tested.wakeAt).toBe(Number.POSITIVE_INFINITY)
    expect(tested.advance(5000)).toEqual([])
    tested.receive(packet({ yourDiscriminator: 0 }), 5000)
    expect(tested.advance(5000)).toMatchObject([{ state: 'Init', yourDiscriminator: 2 }])
  })
})

describe('Poll Sequences (RFC 5880 §6.5)', () => {
  test('a Poll is answered at once with a Final that is no Poll', () => {
    const tested = sessionIn('Up')
    expect(tested.isPolling).toBe(true)
    expect(tested.receive(packet({ state: 'Up', poll: true }), 1)).toMatchObject({
      final: true,
      poll: false,
      state: 'Up',
    })
    expect(sessionIn('AdminDown').receive(packet({ poll: true }), 1)).toBeUndefined()
  })

  test('coming up begins one, and Final ends it', () => {
    const tested = sessionIn('Up')
    expect(tested.advance(0)).toMatchObject([{ poll: true, desiredMinTxUs: 50_000 }])
    expect(tested.advance(50)).toMatchObject([{ poll: true }])
    tested.receive(packet({ state: 'Up', final: true }), 60)
    expect(tested.advance(100)).toMatchObject([{ poll: false }])
  })

  test('sending less often waits for its end', () => {
    const tested = settled()
    tested.configure({ ...FAST, minTxMs: 400 }, 10)
    expect(tested.transmitIntervalMs).toBe(50)
    expect(tested.advance(50)).toMatchObject([{ poll: true, desiredMinTxUs: 400_000 }])
    tested.receive(packet({ state: 'Up', final: true }), 55)
    expect(tested.transmitIntervalMs).toBe(400)
    expect(tested.wakeAt).toBe(55 + 150)
    tested.receive(packet({ state: 'Up' }), 200)
    tested.receive(packet({ state: 'Up' }), 340)
    expect(tested.wakeAt).toBe(450)
  })

  test('detecting sooner waits for its end, detecting later does not', () => {
    const tested = settled({ minRxMs: 200 })
    tested.configure({ ...FAST, minRxMs: 50 }, 10)
    expect(tested.detectionTimeMs).toBe(600)
    tested.receive(packet({ state: 'Up', final: true }), 20)
    expect(tested.detectionTimeMs).toBe(150)
    tested.configure({ ...FAST, minRxMs: 300 }, 30)
    expect(tested.detectionTimeMs).toBe(900)
  })
})

test('two ends come up within two slow intervals, and go down together', () => {
  const ends = [session({ localDiscriminator: 1 }), session({ localDiscriminator: 2 })] as const
  const step = (now: number, cut: boolean): void => {
    for (const [index, end] of ends.entries()) {
      const other = ends[1 - index] as BfdSession
      const waiting = end.advance(now)
      for (let sent = waiting.pop(); sent !== undefined && !cut; sent = waiting.pop()) {
        const answer = other.receive(sent, now)
        if (answer !== undefined) end.receive(answer, now)
      }
    }
  }
  let now = 0
  for (; now < 2000 && !ends.every((end) => end.state === 'Up'); now++) step(now, false)
  expect(now).toBeLessThan(2000)
  for (const end = now + 200; now < end; now++) step(now, false)
  expect(ends.map((end) => [end.transmitIntervalMs, end.detectionTimeMs, end.isPolling])).toEqual([
    [50, 150, false],
    [50, 150, false],
  ])
  for (const end = now + 151; now < end; now++) step(now, true)
  expect(ends.map((end) => end.state)).toEqual(['Down', 'Down'])
})
