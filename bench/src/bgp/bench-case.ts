import type { Blaster, ReceiverStats } from './blaster.ts'
import type { BenchPeer, BenchSetup } from './daemons/daemon.ts'
import type { RunningDaemon } from './running-daemon.ts'
import { peerAddress, SPEAKER_ADDRESS } from './testbed.ts'

/** AS of the speaker under test. */
export const SPEAKER_ASN = 65_000
const PREFIXES_PER_UPDATE = 8
const HOLD_TIME = 90
/** As long as the slowest of the compared takes for the largest case, and more. */
const PATIENCE_MS = 400_000
/**
 * Between the sessions' coming up and the first route: FRR gathers its peers for 1 s and 50 ms a peer before it announces
 * anything, and that would be all that is measured.
 */
const QUIET_MS = 2000
const QUIET_MS_PER_PEER = 50

/** Measured figures by name; the unit is in the name. */
export type Figures = Readonly<Record<string, number>>

/** What a case has at hand once everything listens. */
export interface Stage {
  readonly setup: BenchSetup
  readonly blaster: Blaster
  readonly daemon: RunningDaemon
  readonly namespace: string
}

/** One thing to measure. */
export interface BenchCase {
  readonly name: string
  readonly setup: BenchSetup
  /** Names of the daemons that it makes sense for; default all. */
  readonly only?: readonly string[]
  measure(stage: Stage): Promise<Figures>
}

/** A setup of `count` peers, each with its AS from `asnOf`. */
export function peers(count: number, asnOf: (id: number) => number, extra: Partial<BenchPeer> = {}): BenchPeer[] {
  return Array.from({ length: count }, (_, id) => ({ address: peerAddress(id), asn: asnOf(id), ...extra }))
}

export function setupOf(list: readonly BenchPeer[], holdTime = HOLD_TIME): BenchSetup {
  return { address: SPEAKER_ADDRESS, asn: SPEAKER_ASN, holdTime, peers: list }
}

/** Distinct attribute sets of a table. */
export function attributeSets(prefixes: number): number {
  return Math.max(1, Math.round(prefixes / 10))
}

/** Tells the load generator about its sessions. `holdTimes`: those that differ from the setup's. */
export function introduce({ blaster, setup }: Stage, holdTimes: Readonly<Record<number, number>> = {}): void {
  blaster.send(`dut ${setup.address} ${setup.asn}`)
  for (const [id, { address, asn }] of setup.peers.entries()) {
    blaster.send(`peer ${id} ${address} ${asn} ${holdTimes[id] ?? setup.holdTime}`)
  }
}

/** Session `id` announces prefixes `first` to `first + count - 1` of a table with `sets` attribute sets. */
export function feed(
  stage: Stage,
  id: number,
  table: { first: number; count: number; sets: number },
  prepends = 0,
): void {
  const { first, count, sets } = table
  stage.blaster.send(`feed ${id} ${first} ${count} ${sets} ${PREFIXES_PER_UPDATE} ${prepends}`)
}

/** Session `id` is to hold the first `count` prefixes of a table. */
export function receive(stage: Stage, id: number, count: number, sets: number): void {
  stage.blaster.send(`receive ${id} ${count} ${sets} ${PREFIXES_PER_UPDATE}`)
}

/** Dials everything in the same instant and lets it be quiet. @returns seconds until the last session was up */
export async function bringUp({ blaster, setup }: Stage): Promise<number> {
  blaster.send('dial')
  const { t: begin } = await blaster.next('dial', PATIENCE_MS)
  const { t: end } = await blaster.next('allUp', PATIENCE_MS)
  await new Promise((resolve) => {
    setTimeout(resolve, QUIET_MS + QUIET_MS_PER_PEER * setup.peers.length)
  })
  return end - begin
}

/** Seconds from the first octet until every receiver holds `count` prefixes (0 after `withdraw`). */
export async function transfer({ blaster }: Stage, verb: 'announce' | 'withdraw', count: number): Promise<Transfer> {
  blaster.send(`target ${count}`, verb)
  const { t: begin } = await blaster.next('first', PATIENCE_MS)
  const { t: end } = await blaster.next('target', PATIENCE_MS)
  return { begin, seconds: end - begin }
}

export interface Transfer {
  readonly begin: number
  readonly seconds: number
}

/** Seconds from `begin` until the last UPDATE before a second without any. */
export async function settled({ blaster }: Stage, begin: number): Promise<number> {
  blaster.send('settle 1000')
  return (await blaster.next('settled', PATIENCE_MS)).t - begin
}

/** @throws when a receiver got what it was not to get, or holds another number of prefixes */
export async function checkReceivers({ blaster }: Stage, receivers: readonly number[], holds: number): Promise<void> {
  const stats = await blaster.stats()
  for (const id of receivers) {
    const receiver: ReceiverStats | undefined = stats[id]
    if (receiver === undefined || receiver.wrong > 0 || receiver.holds !== holds) {
      throw new Error(`wrong routes: ${JSON.stringify(receiver)}`)
    }
  }
}
