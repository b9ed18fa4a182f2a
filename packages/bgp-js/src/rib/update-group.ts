import type { Family } from '@margay/net'
import { UpdatePacker } from '../wire/update-packer.ts'
import { AddPathOut } from './add-path-out.ts'
import { BestPathOut, type GroupTable, type SentRoute, type Withholding } from './best-path-out.ts'
import { DirtyQueue } from './dirty-queue.ts'
import type { ExportRefusal, RouteExporter } from './export-rules.ts'
import type { GroupMember } from './group-member.ts'
import type { FamilyRib } from './loc-rib.ts'
import type { OutBlockStore } from './out-block.ts'
import { OutgoingPlan } from './outgoing-plan.ts'

/** What a group needs of its surroundings. */
export interface GroupSurroundings {
  readonly rib: FamilyRib
  readonly blocks: OutBlockStore
  readonly maxOctets: number
  /** Most paths of a prefix on a session with ADD-PATH; undefined without. Such a group has one member. */
  readonly addPaths: number | undefined
  /** Milliseconds that never jump back. */
  now(): number
  /** Has {@link UpdateGroup.run} called soon, or after `delayMs`. */
  wake(delayMs?: number): void
}

interface MemberState {
  readonly member: GroupMember
  /** Table positions that are still to be replayed to it: it joined late, or asked for a refresh. */
  replayLeft: number
  /** Marks of the group's queue that must be settled before its table counts as sent. */
  settledAfter: number
  endOfRibDue: boolean
  endOfRefreshDue: boolean
  /** It asked for everything again and that has not begun. However often it asks meanwhile, it is one more replay. */
  refreshOwed: boolean
  /** Prefixes that it was not told of while its socket was full; undefined while it keeps step. */
  parked: DirtyQueue | undefined
  congestedSince: number | undefined
  lastParkedAt: number
}

/** Prefixes that one slice settles. */
const SLICE = 2048
/** And how long it may take to settle them; looked at now and then. */
const SLICE_MS = 4
const LOOK_EVERY = 64
/** Table positions that one slice of a replay walks over. */
const REPLAY_SLICE = 2048
/** How long a full socket may hold up the members beside it. */
const GRACE_MS = 100
/** A member that was parked this recently gets no grace. */
const UNSTEADY_MS = 60_000

/**
 * Peers that get the same routes (the same policy, next hop, kind, capabilities): what changes is worked out and encoded
 * once for all of them. A member whose socket stays full is parked: the others go on, and it is brought up to date from
 * the table by itself later.
 */
export class UpdateGroup implements Withholding {
  readonly family: Family
  key: string
  readonly #surroundings: GroupSurroundings
  #exporter: RouteExporter
  readonly #table: GroupTable
  readonly #dirty: DirtyQueue
  readonly #packer: UpdatePacker
  readonly #members = new Map<GroupMember, MemberState>()
  /** Each member in a list of its own, as {@link UpdateGroup.from} answers. */
  readonly #byPeer = new Map<number, readonly GroupMember[]>()
  readonly #byAddress = new Map<string, readonly GroupMember[]>()
  #settled = 0
  #replayAt = 1

  constructor(key: string, exporter: RouteExporter, surroundings: GroupSurroundings, origin?: UpdateGroup) {
    const { rib } = surroundings
    this.key = key
    this.family = rib.family
    this.#surroundings = surroundings
    this.#exporter = exporter
    this.#dirty = new DirtyQueue(rib.prefixes)
    this.#packer = new UpdatePacker(surroundings.maxOctets)
    this.#table = origin === undefined ? this.#newTable() : origin.#table.clone(this)
    if (origin === undefined) this.settleAll()
  }

  get size(): number {
    return this.#members.size
  }

  get isShared(): boolean {
    return this.#members.size > 1
  }

  /** A new session: it gets the table, then End-of-RIB, and every change from now on. */
  join(member: GroupMember): void {
    this.#admit(member)
    const state = this.#members.get(member) as MemberState
    state.replayLeft = this.#table.size === 0 ? 0 : this.#surroundings.rib.prefixes.end
    state.endOfRibDue = true
    state.settledAfter = this.#settled + this.#dirty.size
    this.#surroundings.wake()
  }

  leave(member: GroupMember): void {
    this.#members.get(member)?.parked?.clear()
    this.#members.delete(member)
    this.#byPeer.delete(member.peerIndex)
    this.#byAddress.delete(member.address)
    if (this.#members.size > 0) return
    this.#dirty.clear()
    this.#table.clear()
  }

  /**
   * A group of its own for `member`, which holds what this one sent: for when its settings change.
   * @returns this group itself when nobody else is in it
   */
  split(member: GroupMember, surroundings: GroupSurroundings): UpdateGroup {
    if (!this.isShared) return this
    const state = this.#members.get(member) as MemberState
    const group = new UpdateGroup(this.key, this.#exporter, surroundings, this)
    group.#admit(member)
    const replayLeft = state.replayLeft > 0 ? surroundings.rib.prefixes.end : 0
    group.#members.set(member, { ...state, replayLeft, settledAfter: group.#settled })
    state.parked = undefined
    this.leave(member)
    return group
  }

  /** Other settings: everything is looked at again, and what differs is sent. */
  retarget(key: string, exporter: RouteExporter, addPaths?: number): void {
    this.key = key
    if (addPaths !== undefined) this.#table.limitPaths(addPaths)
    this.#exporter = exporter
    this.settleAll()
  }

  settleAll(): void {
    const { rib } = this.#surroundings
    for (let prefix = 1; prefix < rib.prefixes.end; prefix++) {
      if (rib.best(prefix) !== 0 || this.#table.sent(prefix).length > 0) this.#dirty.mark(prefix)
    }
    this.#surroundings.wake()
  }

  /** The member wants everything again (RFC 2918 §4): once what it is sent already is over, and its socket has room. */
  replay(member: GroupMember): void {
    const state = this.#members.get(member)
    if (state === undefined) return
    state.refreshOwed = true
    this.#surroundings.wake()
  }

  prefixChanged(prefix: number, bestChanged: boolean): void {
    if (!bestChanged && this.#surroundings.addPaths === undefined) return
    this.#dirty.mark(prefix)
    this.#surroundings.wake()
  }

  /** One slice. @returns whether there is more to do at once */
  run(): boolean {
    if (this.#members.size === 0 || this.#mustWait()) return false
    const plan = this.#newPlan()
    const { prefixes } = this.#surroundings.rib
    const taken: number[] = []
    const until = this.#surroundings.now() + SLICE_MS
    for (let prefix = this.#dirty.take(); prefix !== 0; prefix = this.#dirty.take()) {
      this.#table.settle(prefix, this.#exporter, plan)
      taken.push(prefix)
      if (taken.length >= SLICE) break
      if (taken.length % LOOK_EVERY === 0 && this.#surroundings.now() >= until) break
    }
    this.#settled += taken.length
    this.#distribute(plan, taken, () => true)
    for (const state of this.#members.values()) this.#beginRefresh(state)
    this.#replaySlice()
    for (const state of this.#members.values()) this.#catchUp(state)
    for (const prefix of taken) prefixes.release(prefix)
    return this.#hasWork()
  }

  /** Prefixes that the member has not been told the latest of. */
  pending(member: GroupMember): number {
    const state = this.#members.get(member)
    const isWalking = (state?.replayLeft ?? 0) > 0 || state?.refreshOwed === true
    return this.#dirty.size + (state?.parked?.size ?? 0) + Number(isWalking)
  }

  advertised(member: GroupMember): number {
    return this.#table.size - this.#table.withheldCount(member)
  }

  /** What the member was sent of a prefix, or is about to be. */
  sentTo(member: GroupMember, prefix: number): readonly SentRoute[] {
    return this.#table.isWithheld(prefix, member) ? [] : this.#table.sent(prefix)
  }

  /** Why the best path of a prefix is not sent to the member; undefined when it is, or there is none. */
  explain(member: GroupMember, prefix: number): ExportRefusal | 'cameFromPeer' | 'nextHopIsPeer' | undefined {
    const { rib } = this.#surroundings
    const best = rib.best(prefix)
    if (best === 0) return undefined
    if (rib.paths.peer[best] === member.peerIndex) return 'cameFromPeer'
    return (
      this.#table.explain(prefix, this.#exporter) ??
      (this.#table.isWithheld(prefix, member) ? 'nextHopIsPeer' : undefined)
    )
  }

  from(sourceIndex: number, nextHop: string): readonly GroupMember[] {
    const source = this.#byPeer.get(sourceIndex)
    const owner = this.#byAddress.get(nextHop)
    if (source === undefined) return owner ?? NOBODY
    return owner === undefined || owner === source ? source : [...source, ...owner]
  }

  #newTable(): GroupTable {
    const { rib, blocks, addPaths } = this.#surroundings
    return addPaths === undefined ? new BestPathOut(rib, blocks, this) : new AddPathOut(rib, blocks, this, addPaths)
  }

  #admit(member: GroupMember): void {
    this.#members.set(member, {
      member,
      replayLeft: 0,
      settledAfter: 0,
      endOfRibDue: false,
      endOfRefreshDue: false,
      refreshOwed: false,
      parked: undefined,
      congestedSince: undefined,
      lastParkedAt: Number.NEGATIVE_INFINITY,
    })
    const alone = [member]
    this.#byPeer.set(member.peerIndex, alone)
    this.#byAddress.set(member.address, alone)
  }

  #newPlan(): OutgoingPlan {
    const { rib, addPaths } = this.#surroundings
    return new OutgoingPlan(rib, this.#packer, addPaths !== undefined)
  }

  /** Waits a moment for full sockets, then parks their members. @returns whether to wait */
  #mustWait(): boolean {
    const now = this.#surroundings.now()
    let wait = 0
    let anyInStep = false
    for (const state of this.#members.values()) {
      // One that missed nothing and reads again keeps step: else a group whose members were all parked would never go on.
      if (state.parked?.size === 0 && !state.member.isCongested) state.parked = undefined
      if (state.parked !== undefined) continue
      if (!state.member.isCongested) {
        state.congestedSince = undefined
        anyInStep = true
        continue
      }
      state.congestedSince ??= now
      const grace = now - state.lastParkedAt < UNSTEADY_MS ? 0 : GRACE_MS
      const left = state.congestedSince + grace - now
      if (left > 0) wait = Math.max(wait, left)
      else if (this.isShared) this.#park(state, now)
    }
    if (wait > 0) this.#surroundings.wake(wait)
    // Sockets that drain wake the group by themselves.
    return wait > 0 || (!anyInStep && !this.#hasParkedWork())
  }

  #park(state: MemberState, now: number): void {
    state.parked = new DirtyQueue(this.#surroundings.rib.prefixes)
    state.lastParkedAt = now
    state.congestedSince = undefined
  }

  #hasParkedWork(): boolean {
    return [...this.#members.values()].some(
      ({ parked, member }) => parked !== undefined && parked.size > 0 && !member.isCongested,
    )
  }

  /** Sends to members that keep step; the others remember what they missed. */
  #distribute(plan: OutgoingPlan, prefixes: readonly number[], isFor: (state: MemberState) => boolean): void {
    if (prefixes.length === 0) return
    const recipients: GroupMember[] = []
    for (const state of this.#members.values()) {
      if (!isFor(state)) continue
      if (state.parked === undefined) recipients.push(state.member)
      else for (const prefix of prefixes) state.parked.mark(prefix)
    }
    if (!plan.isEmpty) plan.send(recipients)
  }

  #beginRefresh(state: MemberState): void {
    const { member, refreshOwed, endOfRibDue, endOfRefreshDue, parked } = state
    if (!refreshOwed || endOfRibDue || endOfRefreshDue || parked !== undefined || member.isCongested) return
    state.refreshOwed = false
    state.endOfRefreshDue = true
    state.replayLeft = this.#surroundings.rib.prefixes.end
    state.settledAfter = this.#settled + this.#dirty.size
    member.sendMark('beginningOfRefresh')
  }

  /** The walk goes round and round while anybody needs it, and whoever joins is done when it is back where they joined. */
  #replaySlice(): void {
    const wants = (state: MemberState): boolean => state.replayLeft > 0
    if (![...this.#members.values()].some(wants)) return
    const { end } = this.#surroundings.rib.prefixes
    const plan = this.#newPlan()
    const walked: number[] = []
    for (let count = 0; count < Math.min(REPLAY_SLICE, end); count++) {
      if (this.#replayAt >= end) this.#replayAt = 1
      const prefix = this.#replayAt++
      if (this.#table.sent(prefix).length === 0) continue
      this.#table.replay(prefix, plan, false)
      walked.push(prefix)
    }
    this.#distribute(plan, walked, wants)
    for (const state of this.#members.values()) state.replayLeft = Math.max(0, state.replayLeft - REPLAY_SLICE)
  }

  /** A parked member whose socket has room hears what it missed; then what is due at the end of the table. */
  #catchUp(state: MemberState): void {
    const { member, parked } = state
    if (parked !== undefined && !member.isCongested) {
      const plan = this.#newPlan()
      const { prefixes } = this.#surroundings.rib
      const taken: number[] = []
      for (let prefix = parked.take(); prefix !== 0; prefix = parked.take()) {
        this.#table.replay(prefix, plan, true)
        if (this.#table.isWithheld(prefix, member)) plan.only(member).add(prefix, 0, undefined)
        taken.push(prefix)
        if (taken.length >= SLICE) break
      }
      if (!plan.isEmpty) plan.send([member])
      for (const prefix of taken) prefixes.release(prefix)
      if (parked.size === 0) state.parked = undefined
    }
    if (state.parked !== undefined || state.replayLeft > 0 || this.#settled < state.settledAfter) return
    if (state.endOfRibDue) member.sendMark('endOfRib')
    if (state.endOfRefreshDue) member.sendMark('endOfRefresh')
    state.endOfRibDue = false
    state.endOfRefreshDue = false
  }

  #hasWork(): boolean {
    if (this.#dirty.size > 0) return true
    return [...this.#members.values()].some(
      ({ replayLeft, parked, member, endOfRibDue, endOfRefreshDue, refreshOwed }) =>
        replayLeft > 0 ||
        endOfRibDue ||
        endOfRefreshDue ||
        ((parked !== undefined || refreshOwed) && !member.isCongested),
    )
  }
}

const NOBODY: readonly GroupMember[] = []
