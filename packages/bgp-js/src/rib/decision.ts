import { ipv4Value } from '../wire/ip-text.ts'
import type { AttributeSet } from './attribute-store.ts'
import type { PathSource } from './path.ts'

/**
 * The step that decided about a path (RFC 4271 §9.1.2, RFC 4456 §9, RFC 9494 §4.3): for a path that lost, the step that
 * took it out; for the best path, the last step that took another one out.
 */
export type BestPathReason =
  | 'OnlyPath'
  | 'NextHopUnreachable'
  | 'LlgrStale'
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
  | 'PathId'

/** What the decision process is told from outside. */
export interface DecisionRules {
  readonly multipath: boolean
  readonly alwaysCompareMed: boolean
  readonly defaultLocalPref: number
  /** Cost to a next hop, undefined when there is no way to it. */
  nextHopMetric(nextHop: string): number | undefined
}

/** Paths by number, for the decision process. */
export interface PathReader {
  attributesOf(path: number): AttributeSet
  sourceOf(path: number): PathSource
  isLlgrStale(path: number): boolean
  pathIdOf(path: number): number
}

export interface RankedPath {
  readonly path: number
  readonly isBest: boolean
  readonly inMultipath: boolean
  readonly reason: BestPathReason
}

/** The lowest stays. */
type Score = (path: number) => number | bigint

type OnEliminated = (path: number, reason: BestPathReason) => void

/**
 * Route selection among the accepted paths of one prefix. What is best depends on the set alone, never on the order in
 * which paths came.
 */
export class Decision {
  readonly #paths: PathReader
  readonly #rules: DecisionRules
  readonly #beforeMed: readonly (readonly [BestPathReason, Score])[]
  readonly #afterMed: readonly (readonly [BestPathReason, Score])[]
  readonly #tieBreaks: readonly (readonly [BestPathReason, Score])[]
  /** The paths of the last selection that tied up to the cost of the way, the best first. */
  readonly equalCost: number[] = []

  constructor(paths: PathReader, rules: DecisionRules) {
    this.#paths = paths
    this.#rules = rules
    const attributes = (path: number) => paths.attributesOf(path).attributes
    this.#beforeMed = [
      ['LlgrStale', (path) => Number(paths.isLlgrStale(path) || paths.attributesOf(path).llgrStale)],
      ['LocalOrigin', (path) => (paths.sourceOf(path).kind === 'local' ? 0 : 1)],
      ['LocalPref', (path) => -(attributes(path).localPref ?? rules.defaultLocalPref)],
      ['AsPathLength', (path) => paths.attributesOf(path).pathLength],
      ['Origin', (path) => attributes(path).origin],
    ]
    this.#afterMed = [
      ['ExternalOverInternal', (path) => EXTERNAL_FIRST[paths.sourceOf(path).kind]],
      ['NextHopMetric', (path) => this.#metricOf(path) ?? 0],
    ]
    this.#tieBreaks = [
      ['RouterId', (path) => this.#originator(path)],
      ['ClusterListLength', (path) => attributes(path).clusterList?.length ?? 0],
      ['PeerAddress', (path) => paths.sourceOf(path).addressValue],
      ['PathId', (path) => paths.pathIdOf(path)],
    ]
  }

  /** The best path of `candidates`, 0 when none is usable. `candidates` is consumed. */
  select(candidates: number[], onEliminated?: OnEliminated): number {
    this.equalCost.length = 0
    this.#keepReachable(candidates, onEliminated)
    if (candidates.length > 1) {
      for (const [reason, score] of this.#beforeMed) this.#keepLowest(candidates, reason, score, onEliminated)
      this.#keepLowestMed(candidates, onEliminated)
      for (const [reason, score] of this.#afterMed) this.#keepLowest(candidates, reason, score, onEliminated)
    }
    if (this.#rules.multipath) for (const path of candidates) this.equalCost.push(path)
    if (candidates.length > 1) {
      for (const [reason, score] of this.#tieBreaks) this.#keepLowest(candidates, reason, score, onEliminated)
    }
    const best = candidates[0] ?? 0
    if (!this.#rules.multipath && best !== 0) this.equalCost.push(best)
    return best
  }

  /** Whether there is a way to the path's next hop. */
  isReachable(path: number): boolean {
    return this.#metricOf(path) !== undefined
  }

  /** Every candidate with the step that decided about it, the best first. */
  rank(candidates: readonly number[]): RankedPath[] {
    const reasons = new Map<number, BestPathReason>()
    let deciding: BestPathReason = 'OnlyPath'
    const best = this.select([...candidates], (path, reason) => {
      reasons.set(path, reason)
      if (reason !== 'NextHopUnreachable') deciding = reason
    })
    return candidates
      .map((path): RankedPath => {
        const isBest = path === best
        const reason = isBest ? deciding : (reasons.get(path) ?? deciding)
        return { path, isBest, inMultipath: this.equalCost.includes(path), reason }
      })
      .toSorted((a, b) => Number(b.isBest) - Number(a.isBest) || Number(b.inMultipath) - Number(a.inMultipath))
  }

  #keepReachable(candidates: number[], onEliminated: OnEliminated | undefined): void {
    let kept = 0
    for (const path of candidates) {
      if (this.#metricOf(path) === undefined) onEliminated?.(path, 'NextHopUnreachable')
      else candidates[kept++] = path
    }
    candidates.length = kept
  }

  #keepLowest(paths: number[], reason: BestPathReason, score: Score, onEliminated: OnEliminated | undefined): void {
    if (paths.length < 2) return
    let lowest = score(paths[0] as number)
    let differs = false
    for (let index = 1; index < paths.length; index++) {
      const other = score(paths[index] as number)
      if (other !== lowest) differs = true
      if (other < lowest) lowest = other
    }
    if (!differs) return
    let kept = 0
    for (const path of paths) {
      if (score(path) === lowest) paths[kept++] = path
      else onEliminated?.(path, reason)
    }
    paths.length = kept
  }

  /** RFC 4271 §9.1.2.2 c: MED counts between paths of one neighbouring AS; a missing one is 0. */
  #keepLowestMed(paths: number[], onEliminated: OnEliminated | undefined): void {
    if (paths.length < 2 || !paths.some((path) => this.#paths.attributesOf(path).attributes.med)) return
    const group = (path: number): number =>
      this.#rules.alwaysCompareMed ? 0 : this.#paths.attributesOf(path).neighbourAs
    const medOf = (path: number): number => this.#paths.attributesOf(path).attributes.med ?? 0
    const lowest = new Map<number, number>()
    for (const path of paths) lowest.set(group(path), Math.min(medOf(path), lowest.get(group(path)) ?? Infinity))
    let kept = 0
    for (const path of paths) {
      if (medOf(path) === lowest.get(group(path))) paths[kept++] = path
      else onEliminated?.(path, 'Med')
    }
    paths.length = kept
  }

  #metricOf(path: number): number | undefined {
    if (this.#paths.sourceOf(path).kind === 'local') return 0
    return this.#rules.nextHopMetric(this.#paths.attributesOf(path).attributes.nextHop)
  }

  /** ORIGINATOR_ID stands in for the peer's identifier on reflected routes (RFC 4456 §9). */
  #originator(path: number): number {
    const { originatorId } = this.#paths.attributesOf(path).attributes
    return originatorId === undefined ? this.#paths.sourceOf(path).routerId : ipv4Value(originatorId)
  }
}

/** RFC 5065 §5.3: paths of confederation peers count as internal ones here. */
const EXTERNAL_FIRST = { local: 0, external: 0, confederation: 1, internal: 1 } as const
