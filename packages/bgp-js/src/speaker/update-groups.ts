import type { Family } from '@margay/net'
import type { RouteExporter } from '../rib/export-rules.ts'
import type { GroupMember } from '../rib/group-member.ts'
import type { FamilyRib } from '../rib/loc-rib.ts'
import { OutBlockStore } from '../rib/out-block.ts'
import { type GroupSurroundings, UpdateGroup } from '../rib/update-group.ts'
import type { Clock, ClockTimer } from './ports.ts'
import type { SlicedTask, WorkLoop } from './work-loop.ts'

/** What decides about the group that a session belongs to. */
export interface GroupSettings {
  /** Equal texts: equal routes. */
  readonly key: string
  readonly maxOctets: number
  readonly addPaths: number | undefined
  newExporter(rib: FamilyRib, blocks: OutBlockStore): RouteExporter
}

/** An update group as the work loop sees it. */
class GroupTask implements SlicedTask {
  readonly #work: WorkLoop
  readonly #clock: Clock
  #timer: ClockTimer | undefined
  group: UpdateGroup | undefined

  constructor(work: WorkLoop, clock: Clock) {
    this.#work = work
    this.#clock = clock
  }

  wake(delayMs: number | undefined): void {
    if (delayMs === undefined) this.#work.schedule(this)
    else this.#timer ??= this.#clock.setTimeout(() => this.#timeUp(), delayMs)
  }

  run(): boolean {
    return this.group?.run() === true
  }

  end(): void {
    this.#timer?.cancel()
    this.group = undefined
  }

  #timeUp(): void {
    this.#timer = undefined
    this.#work.schedule(this)
  }
}

/** The update groups of one family. */
export class UpdateGroups {
  readonly #rib: FamilyRib
  readonly #blocks = new OutBlockStore()
  readonly #work: WorkLoop
  readonly #clock: Clock
  readonly #groups = new Map<UpdateGroup, GroupTask>()

  constructor(rib: FamilyRib, work: WorkLoop, clock: Clock) {
    this.#rib = rib
    this.#work = work
    this.#clock = clock
  }

  get family(): Family {
    return this.#rib.family
  }

  get size(): number {
    return this.#groups.size
  }

  /** Attribute sets that are kept encoded. */
  get blockCount(): number {
    return this.#blocks.size
  }

  join(member: GroupMember, settings: GroupSettings): UpdateGroup {
    const group = this.#find(settings) ?? this.#create(settings)
    group.join(member)
    return group
  }

  leave(member: GroupMember, group: UpdateGroup): void {
    group.leave(member)
    if (group.size > 0) return
    this.#groups.get(group)?.end()
    this.#groups.delete(group)
  }

  /** Other settings for a session that goes on: what differs is sent. @returns the group that it is in now */
  retarget(member: GroupMember, group: UpdateGroup, settings: GroupSettings): UpdateGroup {
    if (group.key === settings.key) return group
    const task = group.isShared ? new GroupTask(this.#work, this.#clock) : undefined
    const own = task === undefined ? group : group.split(member, this.#surroundings(settings, task))
    if (task !== undefined) this.#register(own, task)
    own.retarget(settings.key, settings.newExporter(this.#rib, this.#blocks), settings.addPaths)
    return own
  }

  prefixChanged(prefix: number, bestChanged: boolean): void {
    for (const group of this.#groups.keys()) group.prefixChanged(prefix, bestChanged)
  }

  /** A member's socket has room again. */
  wake(group: UpdateGroup): void {
    this.#groups.get(group)?.wake(undefined)
  }

  #find(settings: GroupSettings): UpdateGroup | undefined {
    if (settings.addPaths !== undefined) return undefined
    return [...this.#groups.keys()].find((group) => group.key === settings.key)
  }

  #create(settings: GroupSettings): UpdateGroup {
    const task = new GroupTask(this.#work, this.#clock)
    const exporter = settings.newExporter(this.#rib, this.#blocks)
    const group = new UpdateGroup(settings.key, exporter, this.#surroundings(settings, task))
    this.#register(group, task)
    return group
  }

  #register(group: UpdateGroup, task: GroupTask): void {
    task.group = group
    this.#groups.set(group, task)
    task.wake(undefined)
  }

  #surroundings(settings: GroupSettings, task: GroupTask): GroupSurroundings {
    const clock = this.#clock
    return {
      rib: this.#rib,
      blocks: this.#blocks,
      maxOctets: settings.maxOctets,
      addPaths: settings.addPaths,
      now: () => clock.now(),
      wake: (delayMs) => task.wake(delayMs),
    }
  }
}
