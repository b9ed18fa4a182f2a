import { expect, test } from 'vitest'
import { BfdPeers, type BfdSessionConfig, type BfdStateChange, type BfdTimers } from '../../src/index.ts'
import { ManualClock } from '../speaker/manual-clock.ts'

/** Stands for the service: sessions are made to change by hand. */
class FakeSessions {
  readonly calls: string[] = []
  readonly #listeners: ((change: BfdStateChange) => void)[] = []

  addSession(config: BfdSessionConfig, onState: (change: BfdStateChange) => void): number {
    this.calls.push(`add ${config.remote} ${config.minTxMs}`)
    return this.#listeners.push(onState) - 1
  }

  updateSession(id: number, timers: BfdTimers): void {
    this.calls.push(`update ${id} ${timers.minTxMs}`)
  }

  removeSession(id: number): void {
    this.calls.push(`remove ${id}`)
  }

  change(id: number, more: Partial<BfdStateChange>): void {
    this.#listeners[id]?.({ state: 'Up', diagnostic: 'noDiagnostic', remoteState: 'Up', at: 0, ...more })
  }
}

const config: BfdSessionConfig = { local: '10.0.0.1', remote: '10.0.0.2', minTxMs: 50, minRxMs: 50, multiplier: 3 }

function setUp(): { service: FakeSessions; peers: BfdPeers; told: string[]; clock: ManualClock } {
  const clock = new ManualClock()
  const service = new FakeSessions()
  const told: string[] = []
  const events = {
    onDown: (address: string, reason: string) => told.push(`down ${address} ${reason}`),
    onUp: (address: string) => told.push(`up ${address}`),
  }
  const peers = new BfdPeers(service, events, clock)
  return { service, peers, told, clock }
}

test('a loss is told with its reason; a session that never was up is none', () => {
  const { service, peers, told } = setUp()
  peers.follow('10.0.0.2', config)
  service.change(0, { state: 'Init', remoteState: 'Down' })
  service.change(0, { state: 'Down', remoteState: 'Down' })
  expect(told).toEqual([])
  service.change(0, {})
  expect(peers.isUp('10.0.0.2')).toBe(true)
  service.change(0, { state: 'Down', diagnostic: 'controlDetectionTimeExpired', remoteState: 'Down' })
  expect(told).toEqual(['up 10.0.0.2', 'down 10.0.0.2 BFD: controlDetectionTimeExpired'])
  expect(peers.isUp('10.0.0.2')).toBe(false)
})

test('BFD taken down on purpose at the other end is no loss (RFC 5882 §3.2)', () => {
  const { service, peers, told } = setUp()
  peers.follow('10.0.0.2', config)
  service.change(0, {})
  service.change(0, { state: 'Down', diagnostic: 'neighborSignaledSessionDown', remoteState: 'AdminDown' })
  expect(told).toEqual(['up 10.0.0.2'])
})

test('a loss is over when the other end takes BFD down on purpose, or when nobody watches any more', () => {
  const { service, peers, told } = setUp()
  const lost = { state: 'Down', diagnostic: 'controlDetectionTimeExpired', remoteState: 'Down' } as const
  peers.follow('10.0.0.2', config)
  service.change(0, {})
  service.change(0, lost)
  service.change(0, { ...lost, remoteState: 'AdminDown' })
  service.change(0, { ...lost, remoteState: 'Down' })
  expect(told).toEqual(['up 10.0.0.2', 'down 10.0.0.2 BFD: controlDetectionTimeExpired', 'up 10.0.0.2'])
  service.change(0, {})
  service.change(0, lost)
  peers.unfollow('10.0.0.2')
  expect(told.slice(3)).toEqual(['up 10.0.0.2', 'down 10.0.0.2 BFD: controlDetectionTimeExpired', 'up 10.0.0.2'])
})

test('a peer that BFD does not find again may try without it after half a minute', () => {
  const { service, peers, told, clock } = setUp()
  peers.follow('10.0.0.2', config)
  service.change(0, {})
  service.change(0, { state: 'Down', diagnostic: 'controlDetectionTimeExpired', remoteState: 'Down' })
  clock.advance(29_999)
  expect(told).toHaveLength(2)
  clock.advance(1)
  expect(told).toHaveLength(3)
  expect(told.at(-1)).toBe('up 10.0.0.2')
  service.change(0, { state: 'Init', remoteState: 'Down' })
  service.change(0, { state: 'Down', remoteState: 'Down' })
  expect(told).toHaveLength(3)
  service.change(0, {})
  expect(told).toHaveLength(4)
  expect(clock.pending).toBe(0)
})

test('other timers keep the session, another place makes a new one, and what is over is silent', () => {
  const { service, peers, told } = setUp()
  peers.follow('10.0.0.2', config)
  peers.follow('10.0.0.2', { ...config })
  peers.follow('10.0.0.2', { ...config, minTxMs: 100 })
  peers.follow('10.0.0.2', { ...config, local: '10.0.0.9' })
  expect(service.calls).toEqual(['add 10.0.0.2 50', 'update 0 100', 'remove 0', 'add 10.0.0.2 50'])
  peers.close()
  expect(service.calls.at(-1)).toBe('remove 1')
  service.change(1, {})
  expect(told).toEqual([])
})
