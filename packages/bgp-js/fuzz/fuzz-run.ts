import { Arena, KINDS } from './arena.ts'
import { Attacker } from './attacker.ts'
import { compareReceived, compareTables, hexMessages } from './compare.ts'
import { type BuiltSession, MessageBuilder } from './message-builder.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import type { Twin } from './twin.ts'

/** Which fuzzer: messages that are built, or good ones that are damaged. */
export type FuzzMode = 'structure' | 'mutation'

/** What was found, with what is needed to see it again. */
export interface Finding {
  readonly what: string
  readonly session?: BuiltSession
  readonly kind?: string
  /** The octets that were sent, message by message. */
  readonly messages?: readonly string[]
}

export interface FuzzVerdict {
  readonly mode: FuzzMode
  readonly seed: number
  readonly messages: number
  readonly sessions: number
  /** Sessions that had to be reset, and were, by the NOTIFICATION. */
  readonly resets: Readonly<Record<string, number>>
  readonly comparedTables: number
  readonly comparedRoutes: number
  /** The longest that the event loop was not there for others while messages came, and the 99th percentile. */
  readonly longestStallMs: number
  readonly stallMsP99: number
  readonly heapGrowthOctets: number
  readonly findings: readonly Finding[]
}

const PARALLEL = 8
const SESSION_MESSAGES = 120
const PATIENCE_MS = 10_000
const MAX_FINDINGS = 20
const HEAP_SAMPLE_ROUNDS = 25
const CORPUS_SIZE = 400
const MAX_HEAP_GROWTH = 16 * 1024 * 1024
const MAX_STALL_P99_MS = 100
const MIN_STALL_SAMPLES = 2000

/** Fuzzes a live speaker until `messages` were sent or something was found. */
export class FuzzRun {
  readonly #mode: FuzzMode
  readonly #seed: number
  readonly #random: Random
  readonly #arena: Arena
  readonly #findings: Finding[] = []
  readonly #resets: Record<string, number> = {}
  readonly #stalls: number[] = []
  readonly #heaps: number[] = []
  #corpus: readonly Uint8Array[] = []
  #messages = 0
  #sessions = 0
  #comparedTables = 0
  #comparedRoutes = 0

  private constructor(arena: Arena, mode: FuzzMode, seed: number) {
    this.#arena = arena
    this.#mode = mode
    this.#seed = seed
    this.#random = new Random(seed)
  }

  /** @param onProgress called after each round */
  static async run(
    mode: FuzzMode,
    options: { readonly messages: number; readonly seed: number },
    onProgress: (verdict: FuzzVerdict) => void = () => undefined,
  ): Promise<FuzzVerdict> {
    await using arena = await Arena.start()
    const run = new FuzzRun(arena, mode, options.seed)
    const baseline = JSON.stringify(arena.counts())
    for (let round = 0; run.#messages < options.messages && run.#findings.length === 0; round++) {
      await run.#round(baseline)
      if (round % HEAP_SAMPLE_ROUNDS === 4) run.#heaps.push(arena.heapOctets())
      onProgress(run.verdict())
    }
    return run.verdict()
  }

  verdict(): FuzzVerdict {
    const stalls = this.#stalls.toSorted((a, b) => a - b)
    const growth = (this.#heaps.at(-1) ?? 0) - (this.#heaps[Math.min(1, this.#heaps.length - 1)] ?? 0)
    const stallMsP99 = Math.round(stalls[Math.floor(stalls.length * 0.99)] ?? 0)
    const findings = [...this.#findings]
    if (growth > MAX_HEAP_GROWTH) findings.push({ what: `the heap grew by ${growth} octets` })
    const isMeasured = stalls.length >= MIN_STALL_SAMPLES
    if (isMeasured && stallMsP99 > MAX_STALL_P99_MS)
      findings.push({ what: `the event loop stalls for ${stallMsP99} ms` })
    return {
      mode: this.#mode,
      seed: this.#seed,
      messages: this.#messages,
      sessions: this.#sessions,
      resets: { ...this.#resets },
      comparedTables: this.#comparedTables,
      comparedRoutes: this.#comparedRoutes,
      longestStallMs: Math.round(stalls.at(-1) ?? 0),
      stallMsP99,
      heapGrowthOctets: growth,
      findings,
    }
  }

  async #round(baseline: string): Promise<void> {
    const alive: Attacker[] = []
    const stopProbe = this.#probe()
    await Promise.all(Array.from({ length: PARALLEL }, async () => this.#slot(alive)))
    stopProbe()
    await this.#within('the receiver is told of everything', undefined, async () => {
      await this.#arena.settle()
      return true
    })
    this.#compare(alive)
    for (const attacker of alive) attacker.end()
    for (const attacker of alive) await this.#within('a session ends', attacker, async () => attacker.isClosed)
    const isEmpty = async (): Promise<boolean> => JSON.stringify(this.#arena.counts()) === baseline
    await this.#within(`tables are back to ${baseline}`, undefined, isEmpty)
    for (const problem of this.#arena.bystanders()) this.#found(problem)
    for (const fault of this.#arena.faults.splice(0)) this.#found(fault)
  }

  /** Sessions one after the other, until one is left alive that has sent its share. */
  async #slot(alive: Attacker[]): Promise<void> {
    let left = SESSION_MESSAGES
    while (left > 0 && this.#findings.length === 0) {
      const attacker = await this.#connect()
      left -= 2 + (await attacker.stream(left, this.#source(attacker)))
      this.#messages += attacker.sent.length
      // A message that claims more octets than it has takes them from this one, and may end the session with it.
      attacker.finish(this.#sessions)
      if (attacker.twin.ended === undefined) {
        await this.#awaitSentinel(attacker)
        alive.push(attacker)
        return
      }
      await this.#within('a session that must be reset is', attacker, async () => attacker.isClosed)
      this.#checkReset(attacker)
      attacker[Symbol.dispose]()
    }
  }

  async #connect(): Promise<Attacker> {
    const random = this.#random
    const number = this.#sessions++
    const kind = random.pick(KINDS)
    const isInternal = kind === 'internal'
    const built: BuiltSession = {
      asn: isInternal ? Arena.ownAsn : random.pick([65_001 + (number % 40), 4_200_000_000 + (number % 40)]),
      ownAsn: Arena.ownAsn,
      fourOctet: !random.once(5),
      internal: isInternal,
      addPath: kind === 'addPath' && !random.once(4) ? random.pick([[1], [2], [1, 2]]) : [],
      families: random.once(4) ? random.pick([[1], [2], []]) : [1, 2],
      extendedMessages: random.once(3),
      extendedNextHop: kind === 'extendedNextHop' && !random.once(3),
      number,
    }
    const from = this.#arena.attackerAddress(kind, number)
    const ends = { from, to: this.#arena.address, port: this.#arena.port }
    const own = this.#arena.ownEndFor(kind)
    // In the second mode it is the updates that are damaged, and one OPEN in eight.
    return Attacker.connect(ends, new Random(random.u32()), built, own)
  }

  #source(attacker: Attacker): () => Uint8Array {
    if (this.#mode === 'structure') return () => attacker.builder.next()
    if (this.#corpus.length === 0 || this.#random.once(20)) this.#corpus = this.#newCorpus()
    const random = this.#random
    return () => (random.once(3) ? mutate(random, this.#corpus) : attacker.builder.update())
  }

  #newCorpus(): Uint8Array[] {
    const session: BuiltSession = {
      asn: 65_001,
      ownAsn: Arena.ownAsn,
      fourOctet: true,
      internal: false,
      addPath: [],
      families: [1, 2],
      extendedMessages: false,
      extendedNextHop: false,
      number: this.#sessions,
    }
    const builder = new MessageBuilder(this.#random, session)
    return Array.from({ length: CORPUS_SIZE }, () => builder.update()).filter((octets) => octets.length <= 4096)
  }

  async #awaitSentinel(attacker: Attacker): Promise<void> {
    if (!attacker.isComparable) return
    const prefix = [...attacker.twin.table.keys()].at(-1) as string
    const wanted = sentinelText(prefix)
    await this.#within('a session that must survive does', attacker, async () => {
      if (attacker.isClosed) throw new Error(`closed with ${attacker.notification}`)
      return this.#arena.target.routes({ peer: attacker.address, prefix: wanted }).adjRibIn.length > 0
    })
  }

  #checkReset(attacker: Attacker): void {
    const { ended } = attacker.twin
    const got = attacker.notification ?? 'none'
    this.#resets[got] = (this.#resets[got] ?? 0) + 1
    const isRight = ended?.includes('peer') === true ? got === 'none' : ended?.includes(got)
    if (isRight !== true) this.#found(`reset by ${got}, should be ${ended?.join(' or ')}`, attacker)
  }

  #compare(alive: readonly Attacker[]): void {
    const twins: Twin[] = []
    for (const attacker of alive) {
      if (attacker.isClosed) this.#found(`reset by ${attacker.notification}, should survive`, attacker)
      twins.push(attacker.twin)
      if (!attacker.isComparable) continue
      const rows = this.#arena.target.routes({ peer: attacker.address, limit: 1_000_000 }).adjRibIn
      this.#comparedTables++
      this.#comparedRoutes += attacker.twin.table.size
      for (const difference of compareTables(rows, attacker.twin)) this.#found(difference, attacker)
    }
    const friend = { table: new Map([['1 c0000200/24 00000000', FRIEND_ROUTE]]) } as unknown as Twin
    const own = { asn: Arena.ownAsn, hops: this.#arena.ownHops }
    for (const difference of compareReceived(this.#arena.receiver.twin, [...twins, friend], own)) {
      const seen = this.#arena.target.routes({ prefix: sentinelText(difference.split(':')[0] as string) })
      this.#found(`${difference}; the speaker holds ${JSON.stringify(seen)}`)
    }
  }

  async #within(what: string, attacker: Attacker | undefined, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    try {
      while (!(await isSo())) {
        if (performance.now() > deadline) throw new Error('not in time')
        await new Promise((resolve) => setImmediate(resolve))
      }
    } catch (error) {
      const counts = JSON.stringify(this.#arena.counts())
      this.#found(`${what}: ${error instanceof Error ? error.message : String(error)}; ${counts}`, attacker)
    }
  }

  #found(what: string, attacker?: Attacker): void {
    if (this.#findings.length >= MAX_FINDINGS) return
    if (attacker === undefined) this.#findings.push({ what })
    else
      this.#findings.push({
        what,
        session: attacker.built,
        kind: attacker.address,
        messages: hexMessages(attacker.sent),
      })
  }

  /** Measures how long others wait for the event loop. @returns what ends it */
  #probe(): () => void {
    let last = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      this.#stalls.push(Math.max(0, now - last - 5))
      last = now
    }, 5)
    return () => clearInterval(timer)
  }
}

const FRIEND_ROUTE = {
  afi: 1,
  nextHop: '',
  asPath: '65201',
  plainPath: '65201',
  med: undefined,
  origin: 0,
  communities: '',
  isUsed: true,
  lengthOctets: 0,
}

/** The prefix of a key of the twin's, as the speaker is asked for it. */
function sentinelText(key: string): string {
  const [afi, prefix = ''] = key.split(' ')
  const [hex = '', length] = prefix.split('/')
  if (afi === '1') return `${(hex.match(/../g) ?? []).map((octet) => Number.parseInt(octet, 16)).join('.')}/${length}`
  return `${(hex.match(/.{4}/g) ?? []).join(':')}/${length}`
}
