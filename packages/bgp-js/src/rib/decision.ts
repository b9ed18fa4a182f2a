import { ipv4Value } from '../wire/ip-text.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { pathLength } from '../wire/resolve-update.ts'
import type { AcceptedPath } from './path.ts'

/**
 * The step that decided about a path (RFC 4271 §9.1.2, RFC 4456 §9): for a path that lost, the step that took it out;
 * for the best path, the last step that took another one out.
 */
export type BestPathReason =
  | 'OnlyPath'
  | 'NextHopUnreachable'
  | 'LocalOrigin'
  | 'LocalPref'
  | 'AsPathLength'
  | 'Origin'
  | 'Med'
  | 'ExternalOverInternal'
  | 'NextHopMetric'
  | 'RouterId'
  | 'ClusterListLength'
  | 'PeerAddress'

/** What the decision process is told from outside. */
export interface DecisionRules {
  readonly multipath: boolean
  readonly alwaysCompareMed: boolean
  readonly defaultLocalPref: number
  /** Cost to a next hop, undefined when there is no way to it. */
  nextHopMetric(nextHop: string): number | undefined
}

export interface Selection {
  readonly best: AcceptedPath
  /** All paths of equal cost, the best first; the best alone without multipath. */
  readonly multipath: readonly AcceptedPath[]
}

export interface RankedPath {
  readonly path: AcceptedPath
  readonly isBest: boolean
  readonly inMultipath: boolean
  readonly reason: BestPathReason
}

interface Step {
  readonly reason: BestPathReason
  /** The lowest stays. */
  readonly score: (path: AcceptedPath, rules: DecisionRules) => number | bigint
}

const BEFORE_MED: readonly Step[] = [
  { reason: 'LocalOrigin', score: (path) => (path.source.kind === 'local' ? 0 : 1) },
  { reason: 'LocalPref', score: (path, rules) => -(path.attributes.localPref ?? rules.defaultLocalPref) },
  { reason: 'AsPathLength', score: (path) => pathLength(path.attributes.asPath) },
  { reason: 'Origin', score: (path) => path.attributes.origin },
]
const AFTER_MED: readonly Step[] = [
  { reason: 'ExternalOverInternal', score: (path) => (path.source.kind === 'internal' ? 1 : 0) },
  { reason: 'NextHopMetric', score: (path, rules) => metricOf(path, rules) ?? 0 },
]
const TIE_BREAKS: readonly Step[] = [
  { reason: 'RouterId', score: (path) => originator(path) },
  { reason: 'ClusterListLength', score: (path) => path.attributes.clusterList?.length ?? 0 },
  { reason: 'PeerAddress', score: (path) => path.source.addressValue },
]

type OnEliminated = (path: AcceptedPath, reason: BestPathReason) => void

/** The best path of `candidates`, undefined when none is usable. The order of `candidates` does not matter. */
export function select(candidates: readonly AcceptedPath[], rules: DecisionRules): Selection | undefined {
  return decide(candidates, rules, () => undefined)
}

/** Every candidate with the step that decided about it, the best first. */
export function rank(candidates: readonly AcceptedPath[], rules: DecisionRules): RankedPath[] {
  const reasons = new Map<AcceptedPath, BestPathReason>()
  let deciding: BestPathReason = 'OnlyPath'
  const selection = decide(candidates, rules, (path, reason) => {
    reasons.set(path, reason)
    if (reason !== 'NextHopUnreachable') deciding = reason
  })
  return candidates
    .map((path): RankedPath => {
      const isBest = path === selection?.best
      const reason = isBest ? deciding : (reasons.get(path) ?? deciding)
      return { path, isBest, inMultipath: selection?.multipath.includes(path) ?? false, reason }
    })
    .toSorted((a, b) => Number(b.isBest) - Number(a.isBest) || Number(b.inMultipath) - Number(a.inMultipath))
}

function decide(
  candidates: readonly AcceptedPath[],
  rules: DecisionRules,
  onEliminated: OnEliminated,
): Selection | undefined {
  let left = candidates.filter((path) => {
    const reachable = metricOf(path, rules) !== undefined
    if (!reachable) onEliminated(path, 'NextHopUnreachable')
    return reachable
  })
  for (const step of BEFORE_MED) left = keepLowest(left, step, rules, onEliminated)
  left = keepLowestMed(left, rules, onEliminated)
  for (const step of AFTER_MED) left = keepLowest(left, step, rules, onEliminated)
  const equalCost = left
  for (const step of TIE_BREAKS) left = keepLowest(left, step, rules, onEliminated)
  const best = left[0]
  if (best === undefined) return undefined
  if (!rules.multipath || equalCost.length === 1) return { best, multipath: [best] }
  return { best, multipath: [best, ...equalCost.filter((path) => path !== best)] }
}

function keepLowest(
  paths: AcceptedPath[],
  step: Step,
  rules: DecisionRules,
  onEliminated: OnEliminated,
): AcceptedPath[] {
  if (paths.length < 2) return paths
  const scores = paths.map((path) => step.score(path, rules))
  const lowest = scores.reduce((low, score) => (score < low ? score : low))
  return paths.filter((path, index) => {
    if (scores[index] === lowest) return true
    onEliminated(path, step.reason)
    return false
  })
}

/** RFC 4271 §9.1.2.2 c: MED counts between paths of one neighbouring AS; a missing one is 0. */
function keepLowestMed(paths: AcceptedPath[], rules: DecisionRules, onEliminated: OnEliminated): AcceptedPath[] {
  if (paths.length < 2) return paths
  const group = (path: AcceptedPath): number => (rules.alwaysCompareMed ? 0 : neighbourAs(path.attributes))
  const lowest = new Map<number, number>()
  for (const path of paths) {
    const med = path.attributes.med ?? 0
    lowest.set(group(path), Math.min(med, lowest.get(group(path)) ?? med))
  }
  return paths.filter((path) => {
    if ((path.attributes.med ?? 0) === lowest.get(group(path))) return true
    onEliminated(path, 'Med')
    return false
  })
}

/** First AS of the path; 0 for routes of our own AS. */
function neighbourAs(attributes: PathAttributes): number {
  const first = attributes.asPath.find((segment) => segment.type === 'sequence' || segment.type === 'set')
  return first?.type === 'sequence' ? (first.asns[0] ?? 0) : 0
}

const metricOf = (path: AcceptedPath, rules: DecisionRules): number | undefined =>
  path.source.kind === 'local' ? 0 : rules.nextHopMetric(path.attributes.nextHop)

/** ORIGINATOR_ID stands in for the peer's identifier on reflected routes (RFC 4456 §9). */
const originator = (path: AcceptedPath): number =>
  path.attributes.originatorId === undefined ? path.source.routerId : ipv4Value(path.attributes.originatorId)
