import { setTimeout as delay } from 'node:timers/promises'
import { fireProbes, type Probe, type ProbeVerdict } from './prober.ts'

/** What a probe is to find: an answer, or nothing at all. */
export interface Expectation {
  readonly probe: Probe
  readonly allowed: boolean
  /** Names the probe in a failure. */
  readonly label: string
  /** The client's address that the server is to see; undefined: any. */
  readonly source?: string
}

const FIRST_IDLE_MS = 250
const RETRY_IDLE_MS = 1_000
const RETRY_FOR_MS = 3_000
const RETRY_PAUSE_MS = 100

/**
 * Fires every probe. One that finds something else than expected is sent again for up to three seconds: a busy machine
 * is no failure, a wrong verdict stays wrong. With `forgiveLeaks` false an answer where silence was expected is final:
 * for a caller that knows that what forbids it is in place.
 * @returns a line for each that stayed wrong
 */
export async function unmetExpectations(
  expectations: readonly Expectation[],
  { forgiveLeaks = true, retryForMs = RETRY_FOR_MS }: { forgiveLeaks?: boolean; retryForMs?: number } = {},
): Promise<string[]> {
  let unmet = await unmetOnce(expectations, FIRST_IDLE_MS)
  const deadline = performance.now() + retryForMs
  const isFinal = ({ expectation, verdict }: Unmet): boolean =>
    !forgiveLeaks && !expectation.allowed && verdict.kind === 'answered'
  while (unmet.length > 0 && !unmet.some(isFinal) && performance.now() < deadline) {
    await delay(RETRY_PAUSE_MS)
    unmet = await unmetOnce(
      unmet.map(({ expectation }) => expectation),
      RETRY_IDLE_MS,
    )
  }
  return unmet.map(({ expectation, verdict }) => describe(expectation, verdict))
}

interface Unmet {
  readonly expectation: Expectation
  readonly verdict: ProbeVerdict
}

async function unmetOnce(expectations: readonly Expectation[], idleMs: number): Promise<Unmet[]> {
  const verdicts = await fireProbes(
    expectations.map(({ probe }) => probe),
    idleMs,
  )
  return expectations.flatMap((expectation, index) => {
    const verdict = verdicts[index]
    return verdict === undefined || isMet(expectation, verdict) ? [] : [{ expectation, verdict }]
  })
}

function isMet({ allowed, source }: Expectation, verdict: ProbeVerdict): boolean {
  if (!allowed) return verdict.kind === 'silent'
  return verdict.kind === 'answered' && (source === undefined || verdict.source === source)
}

function describe({ probe, allowed, label, source }: Expectation, verdict: ProbeVerdict): string {
  const wanted = allowed ? `an answer${source === undefined ? '' : ` to ${source}`}` : 'silence'
  const got = verdict.kind === 'answered' ? `answered to ${verdict.source}` : verdict.kind
  const why = 'why' in verdict ? ` (${verdict.why})` : ''
  return `${label} ${probe.protocol} ${probe.port} at ${probe.address}: ${got}${why}, expected ${wanted}`
}
