import { rmSync } from 'node:fs'
import { round } from '../statistics.ts'
import type { BenchCase, Figures } from './bench-case.ts'
import { Blaster, buildBlaster } from './blaster.ts'
import { fanin, idle, mesh, reflector, relay } from './cases.ts'
import { bird } from './daemons/bird.ts'
import type { BenchDaemon } from './daemons/daemon.ts'
import { frr } from './daemons/frr.ts'
import { gobgp } from './daemons/gobgp.ts'
import { margay } from './daemons/margay.ts'
import { openbgpd } from './daemons/openbgpd.ts'
import { liveness } from './liveness.ts'
import { RunningDaemon } from './running-daemon.ts'
import { Testbed } from './testbed.ts'

const DAEMONS: readonly BenchDaemon[] = [margay, bird, frr, gobgp, openbgpd]

/** Options of the command line; each as given there. */
export interface BgpBenchOptions {
  /** Default 5. */
  readonly runs?: string
  /** Daemons, comma-separated; default all. */
  readonly only?: string
  /** Cases, comma-separated; default all. */
  readonly case?: string
  /** Prefixes of `relay`, `fanin` and `liveness`, for a quick look. */
  readonly prefixes?: string
}

type Outcome = { readonly figures: Figures } | { readonly error: string }

/** Our speaker beside BIRD, FRR, GoBGP and OpenBGPD: in turn, each alone in a namespace, against the same load. */
export async function benchBgp(options: BgpBenchOptions): Promise<object> {
  const runs = Number(options.runs ?? 5)
  const daemons = chosen(DAEMONS, options.only)
  const results: Record<string, object> = {}
  const program = buildBlaster()
  try {
    for (const benchCase of chosen(cases(options.prefixes), options.case)) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      results[benchCase.name] = await runCase(benchCase, daemons, { runs, program })
    }
  } finally {
    rmSync(program)
  }
  return { runs, cases: results }
}

function cases(prefixes: string | undefined): BenchCase[] {
  const count = prefixes === undefined ? undefined : Number(prefixes)
  const relays =
    count === undefined ? [relay('relay-100k', 100_000), relay('relay-1m', 1_000_000)] : [relay('relay', count)]
  return [...relays, fanin(count ?? 100_000), mesh(), reflector(), idle(), liveness(count ?? 1_000_000)]
}

/** Those whose names are listed; `relay` means every case that begins with it. */
function chosen<T extends { readonly name: string }>(all: readonly T[], list: string | undefined): readonly T[] {
  if (list === undefined) return all
  const names = list.split(',')
  const unknown = names.find((name) => !all.some((item) => item.name.startsWith(name)))
  if (unknown !== undefined) throw new Error(`no ${unknown}: there are ${all.map(({ name }) => name).join(', ')}`)
  return all.filter((item) => names.some((name) => item.name.startsWith(name)))
}

async function runCase(
  benchCase: BenchCase,
  daemons: readonly BenchDaemon[],
  { runs, program }: { runs: number; program: string },
): Promise<object> {
  const outcomes = new Map<string, Outcome[]>()
  const able = daemons.filter(({ name }) => benchCase.only?.includes(name) ?? true)
  for (let run = 0; run < runs; run++) {
    for (const daemon of able) {
      // oxlint-disable-next-line no-await-in-loop -- alternately, never at once
      const outcome = await runOnce(benchCase, daemon, program)
      process.stderr.write(`${benchCase.name} ${daemon.name} ${JSON.stringify(outcome)}\n`)
      outcomes.set(daemon.name, [...(outcomes.get(daemon.name) ?? []), outcome])
    }
  }
  const summaries = Object.fromEntries([...outcomes].map(([name, list]) => [name, summarizeOutcomes(list)]))
  return { ...summaries, ratios: ratios(summaries) }
}

async function runOnce(benchCase: BenchCase, daemon: BenchDaemon, program: string): Promise<Outcome> {
  using testbed = new Testbed()
  let log = (): string => ''
  try {
    await using running = await RunningDaemon.start(daemon, benchCase.setup, testbed.speaker)
    log = () => running.log
    using blaster = new Blaster(program, testbed.load)
    const stage = { setup: benchCase.setup, blaster, daemon: running, namespace: testbed.speaker }
    const figures = Object.entries(await benchCase.measure(stage))
    return { figures: Object.fromEntries(figures.map(([name, value]) => [name, round(value)])) }
  } catch (error) {
    return { error: `${error instanceof Error ? error.message : String(error)} ${log().slice(-600)}` }
  }
}

interface DaemonSummary {
  readonly medians: Figures
  readonly raw: readonly Figures[]
  readonly errors?: readonly string[]
}

function summarizeOutcomes(outcomes: readonly Outcome[]): DaemonSummary {
  const raw = outcomes.flatMap((outcome) => ('figures' in outcome ? [outcome.figures] : []))
  const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []))
  const names = Object.keys(raw[0] ?? {})
  const medians = Object.fromEntries(
    names.map((name) => [name, median(raw.map((figures) => figures[name] ?? Number.NaN))]),
  )
  return { medians, raw, ...(errors.length > 0 ? { errors } : {}) }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : round((upper + (sorted[middle - 1] ?? Number.NaN)) / 2)
}

/** Our median divided by each other's: below 1 we are ahead. */
function ratios(summaries: Readonly<Record<string, DaemonSummary>>): Record<string, Figures> {
  const { margay: ours, ...others } = summaries
  if (ours === undefined) return {}
  const ratio = (name: string, theirs: Figures): number =>
    round((ours.medians[name] ?? Number.NaN) / (theirs[name] ?? 0))
  return Object.fromEntries(
    Object.entries(others).map(([daemon, { medians }]) => [
      daemon,
      Object.fromEntries(Object.keys(medians).map((name) => [name, ratio(name, medians)])),
    ]),
  )
}
