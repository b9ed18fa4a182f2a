import type { Family } from '@margay/net'
import { addressOctetCount, type NlriBlock, readPathId } from '../wire/nlri.ts'
import { WellKnownCommunity } from '../wire/path-attributes.ts'
import type { AttributeSet } from './attribute-store.ts'
import { IMPORT_REFUSALS, type ImportRefusal } from './import-rules.ts'
import type { FamilyRib, LocRib } from './loc-rib.ts'
import type { PathSource, RibPath } from './path.ts'
import { PathFlag } from './path-store.ts'

/** What import made of a route: attributes to use, or why it is refused. */
export type ImportVerdict = AttributeSet | ImportRefusal

/** Import: what to make of a route that came with `received`. */
export type ImportJudge = (prefix: number, received: AttributeSet) => ImportVerdict

/** A walk over the paths of one AdjRibIn that outlives changes of it. */
export interface PathWalk {
  next: number
}

/**
 * The routes of one peer (or of this speaker itself) of one family, refused ones included, and their way into LocRib. A
 * session that ends only starts a new generation: the old one is stale, and swept in slices at once or after its time.
 */
export class AdjRibIn {
  readonly #rib: FamilyRib
  readonly #locRib: LocRib
  /** Names it in tables. */
  readonly peerIndex: number
  #first = 0
  #received = 0
  #accepted = 0
  #stale = 0
  #generation = 1
  #sweepBelow = 0
  #sweepWalk: PathWalk | undefined
  readonly #walks = new Set<PathWalk>()

  constructor(locRib: LocRib, family: Family, peerIndex: number) {
    this.#locRib = locRib
    this.#rib = locRib.family(family)
    this.peerIndex = peerIndex
  }

  get source(): PathSource {
    return this.#locRib.source(this.peerIndex)
  }

  /** Head of the list of its paths, 0 for none. */
  get first(): number {
    return this.#first
  }

  get counts(): { received: number; accepted: number; stale: number } {
    return { received: this.#received, accepted: this.#accepted, stale: this.#stale }
  }

  /** Takes every prefix of `nlri` with `received`; `judge` is asked for each. */
  announceAll(nlri: NlriBlock, received: AttributeSet, judge: ImportJudge): void {
    const { octets, end, addPath } = nlri
    const { prefixes } = this.#rib
    let at = nlri.start
    while (at < end) {
      const pathId = addPath ? readPathId(octets, at) : 0
      if (addPath) at += 4
      const prefix = prefixes.intern(octets, at)
      this.announce(prefix, pathId, received, judge(prefix, received))
      at += 1 + addressOctetCount(octets[at] as number)
    }
  }

  withdrawAll(nlri: NlriBlock): void {
    const { octets, end, addPath } = nlri
    let at = nlri.start
    while (at < end) {
      const pathId = addPath ? readPathId(octets, at) : 0
      if (addPath) at += 4
      const prefix = this.#rib.prefixes.find(octets, at)
      if (prefix !== 0) this.withdraw(prefix, pathId)
      at += 1 + addressOctetCount(octets[at] as number)
    }
  }

  announce(prefix: number, pathId: number, received: AttributeSet, verdict: ImportVerdict): void {
    const { paths, prefixes } = this.#rib
    const accepted = typeof verdict === 'string' ? 0 : verdict.id
    let path = this.#rib.findPath(prefix, this.peerIndex, pathId)
    if (path === 0) {
      path = paths.allocate()
      prefixes.retain(prefix)
      paths.prefix[path] = prefix
      paths.peer[path] = this.peerIndex
      paths.pathId[path] = pathId
      paths.accepted[path] = 0
      paths.received[path] = 0
      this.#link(path)
      this.#rib.addPath(prefix, path)
      this.#received++
    } else if (this.#isStale(path)) {
      this.#stale--
    }
    paths.generation[path] = this.#generation
    this.#replaceAttributes(path, received, accepted, verdict)
  }

  /** @returns whether the path was there */
  withdraw(prefix: number, pathId = 0): boolean {
    const path = this.#rib.findPath(prefix, this.peerIndex, pathId)
    if (path === 0) return false
    this.#drop(path)
    return true
  }

  /** Makes everything stale. @returns the new generation */
  beginGeneration(): number {
    this.#stale = this.#received
    this.#generation = (this.#generation + 1) & 0xffff
    return this.#generation
  }

  /** Has {@link AdjRibIn.sweep} drop what is older than `generation` (default: all that is stale). */
  startSweep(generation: number = this.#generation): void {
    this.#sweepBelow = generation
    this.#endWalk(this.#sweepWalk)
    this.#sweepWalk = this.walk()
  }

  /**
   * Goes on with the sweep that was started, looking at `limit` paths at most.
   * @returns whether it is over
   */
  sweep(limit: number): boolean {
    const walk = this.#sweepWalk
    if (walk === undefined) return true
    const { paths } = this.#rib
    for (let seen = 0; seen < limit; seen++) {
      const path = this.step(walk)
      if (path === 0 || this.#stale === 0) {
        this.#endWalk(walk)
        this.#sweepWalk = undefined
        return true
      }
      if (isOlder(paths.generation[path] as number, this.#sweepBelow)) this.#drop(path)
    }
    return false
  }

  /** Begins a walk over the paths that are there now; go on with {@link AdjRibIn.step} until it answers 0. */
  walk(): PathWalk {
    const walk = { next: this.#first }
    this.#walks.add(walk)
    return walk
  }

  /** @returns the next path, 0 at the end */
  step(walk: PathWalk): number {
    const path = walk.next
    if (path === 0) this.#endWalk(walk)
    else walk.next = this.#rib.paths.nextOfPeer[path] as number
    return path
  }

  /** Runs import anew over what was received: after a change of policy. */
  reimport(path: number, judge: ImportJudge): void {
    const { paths } = this.#rib
    const received = this.#locRib.attributes.get(paths.received[path] as number)
    const verdict = judge(paths.prefix[path] as number, received)
    this.#replaceAttributes(path, received, typeof verdict === 'string' ? 0 : verdict.id, verdict)
  }

  /** RFC 9494 §4.3: a stale path of a peer that stays away is the last choice now, or goes where it asked for that. */
  enterLongLived(path: number): void {
    const { paths } = this.#rib
    const received = this.#locRib.attributes.get(paths.received[path] as number)
    if (received.attributes.communities?.includes(WellKnownCommunity.NoLlgr) === true) {
      this.#drop(path)
      return
    }
    paths.flags[path] = (paths.flags[path] as number) | PathFlag.LlgrStale
    this.#rib.pathChanged(path)
  }

  /** The paths of one prefix: several with ADD-PATH. */
  ofPrefix(prefix: number): RibPath[] {
    const { paths } = this.#rib
    const found: RibPath[] = []
    for (let path = this.#rib.firstPath(prefix); path !== 0; path = paths.nextOfPrefix[path] as number) {
      if (paths.peer[path] === this.peerIndex) found.push(this.view(path))
    }
    return found
  }

  isStale(path: number): boolean {
    return this.#isStale(path)
  }

  view(path: number): RibPath {
    const { paths, prefixes } = this.#rib
    const accepted = paths.accepted[path] as number
    return {
      key: prefixes.keyOf(paths.prefix[path] as number),
      source: this.source,
      pathId: paths.pathId[path] as number,
      received: this.#locRib.attributes.get(paths.received[path] as number).attributes,
      attributes: accepted === 0 ? undefined : this.#locRib.attributes.get(accepted).attributes,
      refused: accepted === 0 ? IMPORT_REFUSALS[paths.refusal[path] as number] : undefined,
      stale: this.#isStale(path),
    }
  }

  #replaceAttributes(path: number, received: AttributeSet, accepted: number, verdict: ImportVerdict): void {
    const { paths } = this.#rib
    const { attributes } = this.#locRib
    const receivedBefore = paths.received[path] as number
    const acceptedBefore = paths.accepted[path] as number
    const longLived = ((paths.flags[path] as number) & PathFlag.LlgrStale) !== 0 && !this.#isStale(path)
    if (receivedBefore !== received.id) {
      attributes.retain(received.id)
      paths.received[path] = received.id
      if (receivedBefore !== 0) attributes.release(receivedBefore)
    }
    if (typeof verdict === 'string') paths.refusal[path] = IMPORT_REFUSALS.indexOf(verdict)
    if (longLived) paths.flags[path] = (paths.flags[path] as number) & ~PathFlag.LlgrStale
    if (acceptedBefore === accepted && !longLived) return
    if (accepted !== 0) attributes.retain(accepted)
    paths.accepted[path] = accepted
    if (acceptedBefore !== 0) attributes.release(acceptedBefore)
    this.#accepted += Number(accepted !== 0) - Number(acceptedBefore !== 0)
    this.#rib.pathChanged(path)
  }

  #isStale(path: number): boolean {
    return this.#rib.paths.generation[path] !== this.#generation
  }

  #drop(path: number): void {
    const { paths, prefixes } = this.#rib
    const { attributes } = this.#locRib
    const prefix = paths.prefix[path] as number
    const accepted = paths.accepted[path] as number
    if (this.#isStale(path)) this.#stale--
    this.#received--
    if (accepted !== 0) this.#accepted--
    this.#unlink(path)
    this.#rib.removePath(prefix, path)
    attributes.release(paths.received[path] as number)
    if (accepted !== 0) attributes.release(accepted)
    paths.free(path)
    prefixes.release(prefix)
  }

  #link(path: number): void {
    const { paths } = this.#rib
    paths.nextOfPeer[path] = this.#first
    paths.previousOfPeer[path] = 0
    if (this.#first !== 0) paths.previousOfPeer[this.#first] = path
    this.#first = path
  }

  #unlink(path: number): void {
    const { paths } = this.#rib
    const next = paths.nextOfPeer[path] as number
    const previous = paths.previousOfPeer[path] as number
    for (const walk of this.#walks) if (walk.next === path) walk.next = next
    if (previous === 0) this.#first = next
    else paths.nextOfPeer[previous] = next
    if (next !== 0) paths.previousOfPeer[next] = previous
  }

  #endWalk(walk: PathWalk | undefined): void {
    if (walk !== undefined) this.#walks.delete(walk)
  }
}

/** Generations count modulo 65,536; older means at most half of that behind. */
const isOlder = (generation: number, than: number): boolean => ((generation - than) & 0xffff) > 0x7fff
