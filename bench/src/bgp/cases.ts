import { setTimeout as delay } from 'node:timers/promises'
import {
  attributeSets,
  type BenchCase,
  bringUp,
  checkReceivers,
  type Figures,
  feed,
  introduce,
  peers,
  receive,
  SPEAKER_ASN,
  type Stage,
  settled,
  setupOf,
  transfer,
} from './bench-case.ts'

const FANIN_PEERS = 10
const SETTLE_ATTEMPTS = 120
const MESH_PEERS = 200
const ROUTES_PER_MESH_PEER = 250
const REFLECTOR_CLIENTS = 200
const REFLECTOR_ROUTES = 50_000
const IDLE_PEERS = 300
const IDLE_HOLD_TIME = 9
const IDLE_SECONDS = 20

/** One external peer gives, another takes. */
export function relay(name: string, prefixes: number): BenchCase {
  const sets = attributeSets(prefixes)
  return {
    name,
    setup: setupOf(peers(2, (id) => 65_001 + id)),
    measure: async (stage) => {
      introduce(stage)
      feed(stage, 0, { first: 0, count: prefixes, sets })
      receive(stage, 1, prefixes, sets)
      await bringUp(stage)
      return announceAndWithdraw(stage, [1], prefixes)
    },
  }
}

/** Ten external peers give the same table, each with a shorter path than the one before; one takes. */
export function fanin(prefixes: number): BenchCase {
  const sets = attributeSets(prefixes)
  return {
    name: 'fanin',
    setup: setupOf(peers(FANIN_PEERS + 1, (id) => 65_001 + id)),
    measure: async (stage) => {
      introduce(stage)
      for (let id = 0; id < FANIN_PEERS; id++)
        feed(stage, id, { first: 0, count: prefixes, sets }, FANIN_PEERS - 1 - id)
      receive(stage, FANIN_PEERS, prefixes, sets)
      await bringUp(stage)
      const before = stage.daemon.usage().cpuSeconds
      const { begin, seconds } = await transfer(stage, 'announce', prefixes)
      const settledSeconds = await untilBest(stage, begin, prefixes)
      const usage = stage.daemon.usage()
      await checkReceivers(stage, [FANIN_PEERS], prefixes)
      const withdrawn = await transfer(stage, 'withdraw', 0)
      return {
        seconds,
        settledSeconds,
        cpuSeconds: usage.cpuSeconds - before,
        peakRssMb: stage.daemon.usage().peakRssMb,
        withdrawSeconds: withdrawn.seconds,
      }
    },
  }
}

/** Seconds until the last UPDATE, when the receiver holds the best path of every prefix. @throws when it never does */
async function untilBest(stage: Stage, begin: number, prefixes: number): Promise<number> {
  for (let attempt = 0; attempt < SETTLE_ATTEMPTS; attempt++) {
    // oxlint-disable-next-line no-await-in-loop -- a slow speaker may pause
    const seconds = await settled(stage, begin)
    // oxlint-disable-next-line no-await-in-loop -- see above
    const receiver = (await stage.blaster.stats())[FANIN_PEERS]
    // Our AS, the last peer's, the origin.
    if (receiver?.shortestPath === 3 && receiver.withShortestPath === prefixes) return seconds
  }
  throw new Error('the receiver does not hold the shortest paths')
}

/** Internal peers with routes of their own; an external one shows that they are all held. */
export function mesh(): BenchCase {
  const prefixes = MESH_PEERS * ROUTES_PER_MESH_PEER
  const sets = attributeSets(prefixes)
  return {
    name: 'mesh',
    setup: setupOf(peers(MESH_PEERS + 1, (id) => (id < MESH_PEERS ? SPEAKER_ASN : 65_001))),
    measure: async (stage) => {
      introduce(stage)
      for (let id = 0; id < MESH_PEERS; id++) {
        feed(stage, id, { first: id * ROUTES_PER_MESH_PEER, count: ROUTES_PER_MESH_PEER, sets })
      }
      receive(stage, MESH_PEERS, prefixes, sets)
      const allUpSeconds = await bringUp(stage)
      return { allUpSeconds, ...(await announceAndWithdraw(stage, [MESH_PEERS], prefixes)) }
    },
  }
}

/** One internal peer's routes go to two hundred clients. */
export function reflector(): BenchCase {
  const sets = attributeSets(REFLECTOR_ROUTES)
  const clients = Array.from({ length: REFLECTOR_CLIENTS }, (_, id) => id)
  return {
    name: 'reflector',
    // GoBGP sends each prefix by itself: minutes a run.
    only: ['margay', 'bird', 'frr', 'openbgpd'],
    setup: setupOf([
      ...peers(REFLECTOR_CLIENTS, () => SPEAKER_ASN, { client: true }),
      ...peers(REFLECTOR_CLIENTS + 1, () => SPEAKER_ASN).slice(-1),
    ]),
    measure: async (stage) => {
      introduce(stage)
      feed(stage, REFLECTOR_CLIENTS, { first: 0, count: REFLECTOR_ROUTES, sets })
      for (const id of clients) receive(stage, id, REFLECTOR_ROUTES, sets)
      await bringUp(stage)
      return announceAndWithdraw(stage, clients, REFLECTOR_ROUTES)
    },
  }
}

/** Sessions with nothing to say but keepalives. */
export function idle(): BenchCase {
  return {
    name: 'idle',
    setup: setupOf(
      peers(IDLE_PEERS, (id) => 65_001 + id),
      IDLE_HOLD_TIME,
    ),
    measure: async (stage) => {
      introduce(stage)
      const allUpSeconds = await bringUp(stage)
      const before = stage.daemon.usage().cpuSeconds
      await delay(IDLE_SECONDS * 1000)
      const { cpuSeconds, rssMb } = stage.daemon.usage()
      return { allUpSeconds, rssMb, percentOfCore: (100 * (cpuSeconds - before)) / IDLE_SECONDS }
    },
  }
}

async function announceAndWithdraw(stage: Stage, receivers: readonly number[], prefixes: number): Promise<Figures> {
  const [before, loadBefore] = [stage.daemon.usage().cpuSeconds, stage.blaster.cpuSeconds]
  const { seconds } = await transfer(stage, 'announce', prefixes)
  const { cpuSeconds } = stage.daemon.usage()
  const loadCpuSeconds = stage.blaster.cpuSeconds - loadBefore
  await checkReceivers(stage, receivers, prefixes)
  const withdrawn = await transfer(stage, 'withdraw', 0)
  const { peakRssMb } = stage.daemon.usage()
  return {
    seconds,
    cpuSeconds: cpuSeconds - before,
    loadCpuSeconds,
    peakRssMb,
    withdrawSeconds: withdrawn.seconds,
  }
}
