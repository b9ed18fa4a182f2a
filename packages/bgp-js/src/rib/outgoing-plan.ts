import type { UpdatePacker } from '../wire/update-packer.ts'
import type { GroupMember } from './group-member.ts'
import type { FamilyRib } from './loc-rib.ts'
import type { OutBlock } from './out-block.ts'

/** Prefixes that go out with the same attributes (or withdrawn) to the same members. */
interface Segment {
  /** Undefined for withdrawals. */
  readonly block: OutBlock | undefined
  /** Members that don't get it. */
  readonly except: readonly GroupMember[]
  readonly prefixes: number[]
  /** By prefix, on sessions with ADD-PATH. */
  readonly pathIds: number[]
}

/** A piece of packed messages that some members don't get. */
interface Piece {
  readonly start: number
  readonly end: number
  readonly messages: number
  readonly except: readonly GroupMember[]
}

const EVERYBODY: readonly GroupMember[] = []

/**
 * What one slice of an update group sends: packed once for all members, with what single members get instead of it or
 * beside it.
 */
export class OutgoingPlan {
  readonly #rib: FamilyRib
  readonly #packer: UpdatePacker
  readonly #withPathIds: boolean
  readonly #common = new Map<OutBlock | undefined, Segment[]>()
  readonly #single = new Map<GroupMember, OutgoingPlan>()
  #last: Segment | undefined
  /** Every prefix that somebody is to hear of, for members that are told later. */
  readonly touched: number[] = []

  constructor(rib: FamilyRib, packer: UpdatePacker, withPathIds: boolean) {
    this.#rib = rib
    this.#packer = packer
    this.#withPathIds = withPathIds
  }

  get isEmpty(): boolean {
    return this.#common.size === 0 && this.#single.size === 0
  }

  /** @param block attributes to announce, undefined to withdraw */
  add(prefix: number, pathId: number, block: OutBlock | undefined, except: readonly GroupMember[] = EVERYBODY): void {
    let segment = this.#last
    if (segment === undefined || segment.block !== block || !sameMembers(segment.except, except)) {
      segment = this.#segmentOf(block, except)
      this.#last = segment
    }
    segment.prefixes.push(prefix)
    if (this.#withPathIds) segment.pathIds.push(pathId)
  }

  /** What `member` alone gets, behind everything else. */
  only(member: GroupMember): OutgoingPlan {
    let plan = this.#single.get(member)
    if (plan === undefined) {
      plan = new OutgoingPlan(this.#rib, this.#packer, this.#withPathIds)
      this.#single.set(member, plan)
    }
    return plan
  }

  /** Packs everything and hands it to `members`. */
  send(members: Iterable<GroupMember>): void {
    const recipients = [...members]
    if (recipients.length === 0) return
    const pieces = this.#pack()
    const packed = this.#packer.finish()
    for (const member of recipients) {
      if (packed.count > 0) sendPieces(member, packed, pieces)
      this.#single.get(member)?.send([member])
    }
  }

  #segmentOf(block: OutBlock | undefined, except: readonly GroupMember[]): Segment {
    const segments = this.#common.get(block)
    const known = segments?.find((segment) => sameMembers(segment.except, except))
    if (known !== undefined) return known
    const segment: Segment = { block, except, prefixes: [], pathIds: [] }
    if (segments === undefined) this.#common.set(block, [segment])
    else segments.push(segment)
    return segment
  }

  /** Withdrawals first: a peer that is near its prefix limit should lose before it gains. */
  #pack(): Piece[] {
    const pieces: Piece[] = []
    const withdrawals = this.#common.get(undefined) ?? []
    for (const segment of withdrawals) pieces.push(this.#packSegment(segment))
    for (const [block, segments] of this.#common) {
      if (block !== undefined) for (const segment of segments) pieces.push(this.#packSegment(segment))
    }
    return pieces
  }

  #packSegment(segment: Segment): Piece {
    const packer = this.#packer
    const { prefixes } = this.#rib
    const start = packer.length
    const before = packer.count
    if (segment.block === undefined) packer.withdraw(this.#rib.family)
    else packer.announce(this.#rib.family, segment.block)
    for (let index = 0; index < segment.prefixes.length; index++) {
      const prefix = segment.prefixes[index] as number
      const length = prefixes.nlriLength(prefix)
      // The exporter left room for the longest prefix.
      let at = packer.reserve(this.#withPathIds ? length + 4 : length) as number
      if (this.#withPathIds) at = packer.bytes.writeUInt32BE(segment.pathIds[index] as number, at)
      prefixes.writeNlri(prefix, packer.bytes, at)
    }
    packer.endMessage()
    return { start, end: packer.length, messages: packer.count - before, except: segment.except }
  }
}

function sendPieces(
  member: GroupMember,
  packed: { readonly octets: Buffer; readonly count: number },
  pieces: readonly Piece[],
): void {
  if (!pieces.some((piece) => piece.except.includes(member))) {
    member.send(packed.octets, packed.count)
    return
  }
  for (let index = 0; index < pieces.length; ) {
    const first = pieces[index] as Piece
    let { end, messages } = first
    index++
    if (first.except.includes(member)) continue
    for (; index < pieces.length && !(pieces[index] as Piece).except.includes(member); index++) {
      ;({ end } = pieces[index] as Piece)
      messages += (pieces[index] as Piece).messages
    }
    member.send(packed.octets.subarray(first.start, end), messages)
  }
}

const sameMembers = (a: readonly GroupMember[], b: readonly GroupMember[]): boolean =>
  a === b || (a.length === b.length && a.every((member, index) => member === b[index]))
