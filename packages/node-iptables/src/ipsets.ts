import { isErrno, NetlinkError, NetlinkSocket, type Netns } from '@margay/netlink'
import { IptablesError } from './errors.ts'
import { canonicalMember, IP_SET_TYPES, type IpSetType, kernelMembers } from './ipset-member.ts'
import {
  createRequest,
  destroyRequest,
  type IpSetShape,
  ipSetErrorName,
  type KernelIpSet,
  listNamesRequest,
  listRequest,
  membersRequest,
  NETLINK_NETFILTER,
  readName,
  SetReader,
  swapRequest,
} from './ipset-wire.ts'
import { checkSetName } from './validate.ts'

const DEFAULT_MAX_ELEMENTS = 1 << 20
const MEMBERS_PER_MESSAGE = 500

export interface IpSet {
  /** At most 31 characters, with the prefix of the driver. */
  readonly name: string
  readonly type: IpSetType
  readonly family: 4 | 6
  /** In any spelling; a net of length 0 may be one. */
  readonly members: Iterable<string>
  /** How many members it may hold (default 1048576); grows by itself when there are more. */
  readonly maxElements?: number
}

export interface IpSetsOptions {
  /** Every set whose name begins so is ours: others are never touched, ours that nobody wants are destroyed. */
  readonly setPrefix: string
  /** The network namespace to work in; default: the process's own. */
  readonly netns?: Netns
}

export interface IpSetFailure {
  readonly set: string
  readonly error: IptablesError
}

export interface IpSetCreateResult {
  readonly created: readonly string[]
  /** Filled anew aside and swapped in. */
  readonly rewritten: readonly string[]
  readonly membersAdded: number
  readonly membersRemoved: number
  /** Left out, and tried again by the next call. */
  readonly failures: readonly IpSetFailure[]
}

export interface IpSetDeleteResult {
  readonly deleted: readonly string[]
  /** Rules still use them; tried again by the next call. */
  readonly stillInUse: readonly string[]
  readonly failures: readonly IpSetFailure[]
}

interface DesiredSet extends IpSetShape {
  readonly type: IpSetType
  /** Canonical. */
  readonly members: Set<string>
}

/** What is to be compared: everything, or these members alone. */
type Dirt = 'all' | Set<string>

interface Work {
  created: string[]
  rewritten: string[]
  membersAdded: number
  membersRemoved: number
  failures: IpSetFailure[]
}

/**
 * IP sets of one namespace, both families: desired against actual over one netlink socket. Call {@link applyCreates}
 * before the rules that need the sets, {@link applyDeletes} after the rules that no longer do.
 */
export class IpSets implements AsyncDisposable {
  readonly #prefix: string
  readonly #socket: NetlinkSocket
  readonly #desired = new Map<string, DesiredSet>()
  /** What the kernel holds of ours, as far as we know; undefined: to be read. */
  #actual: Map<string, KernelIpSet> | undefined
  #dirty = new Map<string, Dirt>()
  #tail: Promise<unknown> = Promise.resolve()
  #temporaries = 0

  /** @throws {IptablesError} IPTABLES_BAD_RULE for the prefix @throws {NetlinkError} when no socket can be opened */
  constructor(options: IpSetsOptions) {
    this.#prefix = checkSetName('setPrefix', options.setPrefix)
    this.#socket = NetlinkSocket.open({
      protocol: NETLINK_NETFILTER,
      netns: options.netns,
      errorName: ipSetErrorName,
    })
  }

  /** Whether something is to be created or filled. */
  get dirty(): boolean {
    return this.#actual === undefined || this.#dirty.size > 0
  }

  /**
   * Wants a set with exactly these members. A set's type and family can't change while rules use it: give it another
   * name then.
   * @throws {IptablesError} IPSET_BAD_SET, IPTABLES_BAD_RULE
   */
  setIpSet(set: IpSet): void {
    const { type, family, maxElements = DEFAULT_MAX_ELEMENTS } = set
    const name = this.#checkName(set.name)
    if (!IP_SET_TYPES.includes(type)) throw badSet('type', type, 'is not a type of set that we make')
    if (!Number.isInteger(maxElements) || maxElements < 1 || maxElements > 0x7fffffff) {
      throw badSet('maxElements', maxElements, 'must be a positive integer')
    }
    const members = new Set<string>()
    for (const member of set.members) members.add(canonicalMember(type, family, member))
    this.#desired.set(name, { name, type, family, maxElements, members })
    this.#dirty.set(name, 'all')
  }

  /** {@link applyDeletes} will destroy it. */
  removeIpSet(name: string): void {
    this.#desired.delete(name)
    this.#dirty.delete(name)
  }

  /** @throws {IptablesError} IPSET_BAD_SET for a bad member (none is added then) or a set that nobody wants */
  addMembers(name: string, members: Iterable<string>): void {
    this.#change(name, members, (set, member) => set.members.add(member))
  }

  /** @throws {IptablesError} IPSET_BAD_SET for a bad member (none is removed then) or a set that nobody wants */
  removeMembers(name: string, members: Iterable<string>): void {
    this.#change(name, members, (set, member) => set.members.delete(member))
  }

  /** Desired members in canonical text. */
  members(name: string): ReadonlySet<string> | undefined {
    return this.#desired.get(name)?.members
  }

  /** Have the next apply read the kernel again and repair whatever differs. */
  markStale(): void {
    this.#actual = undefined
  }

  /** One set from the kernel. @returns undefined when there is none */
  async read(name: string): Promise<KernelIpSet | undefined> {
    try {
      const reader = new SetReader()
      await this.#socket.dump(listRequest(checkSetName('name', name)), reader.take)
      return reader.set
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** Creates and fills. One set that fails does not stop the others. @throws {NetlinkError} when nothing can be read */
  async applyCreates(): Promise<IpSetCreateResult> {
    return await this.#exclusive(async () => await this.#applyCreates())
  }

  /** Destroys sets of ours that nobody wants. @throws {NetlinkError} when nothing can be read */
  async applyDeletes(): Promise<IpSetDeleteResult> {
    return await this.#exclusive(async () => await this.#applyDeletes())
  }

  /** The sets stay in the kernel. */
  async close(): Promise<void> {
    await this.#socket.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work)
    // Orders the calls; every caller sees its own outcome.
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    )
    return await result
  }

  #change(name: string, members: Iterable<string>, apply: (set: DesiredSet, member: string) => unknown): void {
    const set = this.#desired.get(name)
    if (set === undefined) throw badSet('name', name, 'is not a set that was asked for')
    const canonical = Array.from(members, (member) => canonicalMember(set.type, set.family, member))
    const dirt = this.#dirty.get(name) ?? new Set()
    for (const member of canonical) {
      apply(set, member)
      if (dirt !== 'all') dirt.add(member)
    }
    this.#dirty.set(name, dirt)
  }

  async #applyCreates(): Promise<IpSetCreateResult> {
    const stale = this.#actual === undefined
    const actual = this.#actual ?? (await this.#readActual())
    const dirty = this.#dirty
    this.#dirty = new Map()
    const work: Work = { created: [], rewritten: [], membersAdded: 0, membersRemoved: 0, failures: [] }
    for (const name of stale ? this.#desired.keys() : dirty.keys()) {
      const set = this.#desired.get(name)
      if (set === undefined) continue
      try {
        await this.#converge(set, stale ? 'all' : (dirty.get(name) ?? 'all'), actual, work)
      } catch (error) {
        if (!(error instanceof NetlinkError)) throw error
        work.failures.push({ set: name, error: failed(error) })
        this.#dirty.set(name, 'all')
        // Nothing is known about it now.
        await this.#reread(name, actual)
      }
    }
    return work
  }

  async #converge(set: DesiredSet, dirt: Dirt, actual: Map<string, KernelIpSet>, work: Work): Promise<void> {
    const present = actual.get(set.name)
    if (present === undefined) {
      await this.#create(set, actual)
      work.created.push(set.name)
      work.membersAdded += set.members.size
      return
    }
    const { add, remove } = difference(set, present, dirt)
    const tooSmall = Math.max(present.members.size - remove.length + add.length, 1) > present.maxElements
    if (
      present.type !== set.type ||
      present.family !== set.family ||
      tooSmall ||
      present.maxElements < set.maxElements
    ) {
      await this.#rewrite(set, present, actual)
      work.rewritten.push(set.name)
      return
    }
    // New members first, so that nobody who stays is missing meanwhile; unless there is no room for both.
    const room = present.members.size + add.length <= present.maxElements
    try {
      if (!room) await this.#send('delete', set, remove, present)
      await this.#send('add', set, add, present)
      if (room) await this.#send('delete', set, remove, present)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      // Someone destroyed the set since we looked.
      actual.delete(set.name)
      await this.#converge(set, 'all', actual, work)
      return
    }
    work.membersAdded += add.length
    work.membersRemoved += remove.length
  }

  async #create(set: DesiredSet, actual: Map<string, KernelIpSet>): Promise<void> {
    const members = expand(set)
    const shape = { ...set, maxElements: roomFor(members.length, set.maxElements) }
    await this.#socket.request(createRequest(shape, members.length))
    const present: KernelIpSet = { ...shape, members: new Set() }
    actual.set(set.name, present)
    await this.#send('add', set, members, present)
  }

  /** A new set is filled aside and takes the old one's place at once. */
  async #rewrite(set: DesiredSet, present: KernelIpSet, actual: Map<string, KernelIpSet>): Promise<void> {
    const temporary = { ...set, name: `${this.#prefix}.tmp${this.#temporaries++}` }
    await this.#create(temporary, actual)
    try {
      await this.#socket.request(swapRequest(temporary.name, set.name))
    } catch (error) {
      await this.#destroy(temporary.name, actual)
      // Sets of different types or families can't be swapped: only one that no rule uses can be replaced.
      if (!isErrno(error, 'IPSET_ERR_TYPE_MISMATCH')) throw error
      await this.#destroy(set.name, actual)
      await this.#create(set, actual)
      return
    }
    actual.set(set.name, { ...(actual.get(temporary.name) as KernelIpSet), name: set.name })
    actual.set(temporary.name, present)
    await this.#destroy(temporary.name, actual)
  }

  async #destroy(name: string, actual: Map<string, KernelIpSet>): Promise<void> {
    await this.#socket.request(destroyRequest(name))
    actual.delete(name)
  }

  /** Sends members, hundreds per message, and notes them. */
  async #send(
    operation: 'add' | 'delete',
    set: DesiredSet,
    members: readonly string[],
    present: KernelIpSet,
  ): Promise<void> {
    for (let start = 0; start < members.length; start += MEMBERS_PER_MESSAGE) {
      const part = members.slice(start, start + MEMBERS_PER_MESSAGE)
      await this.#socket.request(membersRequest(operation, set, part))
      for (const member of part) {
        if (operation === 'add') present.members.add(member)
        else present.members.delete(member)
      }
    }
  }

  async #applyDeletes(): Promise<IpSetDeleteResult> {
    const actual = this.#actual ?? (await this.#readActual())
    const deleted: string[] = []
    const stillInUse: string[] = []
    const failures: IpSetFailure[] = []
    for (const name of actual.keys()) {
      if (this.#desired.has(name)) continue
      try {
        await this.#destroy(name, actual)
        deleted.push(name)
      } catch (error) {
        if (isErrno(error, 'IPSET_ERR_BUSY', 'IPSET_ERR_REFERENCED')) stillInUse.push(name)
        else if (isErrno(error, 'ENOENT')) actual.delete(name)
        else if (error instanceof NetlinkError) failures.push({ set: name, error: failed(error) })
        else throw error
      }
    }
    return { deleted, stillInUse, failures }
  }

  async #readActual(): Promise<Map<string, KernelIpSet>> {
    const actual = new Map<string, KernelIpSet>()
    for (const name of await this.#socket.dump(listNamesRequest(), readName)) {
      if (name.startsWith(this.#prefix)) await this.#reread(name, actual)
    }
    this.#actual = actual
    return actual
  }

  async #reread(name: string, actual: Map<string, KernelIpSet>): Promise<void> {
    const set = await this.read(name)
    if (set === undefined) actual.delete(name)
    else actual.set(name, set)
  }

  #checkName(name: string): string {
    checkSetName('name', name)
    if (name.startsWith(this.#prefix) && !name.startsWith(`${this.#prefix}.tmp`)) return name
    throw badSet('name', name, `does not begin with ${this.#prefix}, or is the name of a temporary set`)
  }
}

/** What must be added and removed, looking at the members in `dirt` or at all. */
function difference(set: DesiredSet, present: KernelIpSet, dirt: Dirt): { add: string[]; remove: string[] } {
  if (dirt === 'all') {
    const wanted = new Set(expand(set))
    return {
      add: [...wanted].filter((member) => !present.members.has(member)),
      remove: [...present.members].filter((member) => !wanted.has(member)),
    }
  }
  const add: string[] = []
  const remove: string[] = []
  for (const member of dirt) {
    for (const part of kernelMembers(set.type, set.family, member)) {
      const wanted = isWanted(set, part)
      if (wanted && !present.members.has(part)) add.push(part)
      if (!wanted && present.members.has(part)) remove.push(part)
    }
  }
  return { add: [...new Set(add)], remove: [...new Set(remove)] }
}

/** Half of everything is wanted for itself or as a part of everything. */
function isWanted(set: DesiredSet, member: string): boolean {
  if (set.members.has(member)) return true
  const match = /^[^/]*\/1(,.*)?$/.exec(member)
  if (match === null) return false
  return set.members.has(`${set.family === 4 ? '0.0.0.0' : '::'}/0${match[1] ?? ''}`)
}

/** Desired members as the kernel can hold them. */
function expand(set: DesiredSet): string[] {
  const members = new Set<string>()
  for (const member of set.members) for (const part of kernelMembers(set.type, set.family, member)) members.add(part)
  return [...members]
}

/** `wanted`, doubled until `count` members fit. */
function roomFor(count: number, wanted: number): number {
  let room = wanted
  while (room < count) room *= 2
  return room
}

const failed = (cause: NetlinkError): IptablesError => new IptablesError('IPSET_FAILED', cause.message, { cause })

const badSet = (field: string, value: unknown, why: string): IptablesError =>
  new IptablesError('IPSET_BAD_SET', `${field} ${JSON.stringify(String(value))} ${why}`, { field })
