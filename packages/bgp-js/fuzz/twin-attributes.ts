import { hexOf, read16, read32 } from './octets.ts'
import { readReach, type TwinNlri } from './twin-nlri.ts'
import type { TwinSession } from './twin-session.ts'

/** One segment of an AS_PATH: 1 set, 2 sequence, 3 and 4 those of confederations. */
export interface TwinSegment {
  readonly type: number
  readonly asns: readonly number[]
}

/** What an attribute list says, by RFC 4271 §5 and RFC 7606. */
export interface TwinAttributes {
  /** Values that survived, by code. */
  readonly values: Map<number, Uint8Array>
  /** Any of these NOTIFICATIONs may end the session; empty where nothing is fatal. */
  readonly resets: Set<string>
  withdraw: boolean
  readonly reach: TwinNlri[]
  readonly unreach: TwinNlri[]
  nextHop: string | undefined
  sawReach: boolean
}

type Severity = 'withdraw' | 'discard'
interface Rule {
  readonly flags: number
  readonly severity: Severity
  readonly isGood: (value: Uint8Array, session: TwinSession) => boolean
}

const ofLength =
  (length: number) =>
  (value: Uint8Array): boolean =>
    value.length === length
const items =
  (size: number) =>
  (value: Uint8Array): boolean =>
    value.length > 0 && value.length % size === 0

const RULES: Readonly<Record<number, Rule>> = {
  1: { flags: 0x40, severity: 'withdraw', isGood: (value) => value.length === 1 && (value[0] as number) <= 2 },
  2: {
    flags: 0x40,
    severity: 'withdraw',
    isGood: (value, session) => readPath(value, session.fourOctet) !== undefined,
  },
  3: {
    flags: 0x40,
    severity: 'withdraw',
    isGood: (value) => value.length === 4 && (value[0] as number) < 224 && read32(value, 0) !== 0,
  },
  4: { flags: 0x80, severity: 'withdraw', isGood: ofLength(4) },
  5: { flags: 0x40, severity: 'withdraw', isGood: ofLength(4) },
  6: { flags: 0x40, severity: 'discard', isGood: ofLength(0) },
  7: { flags: 0xc0, severity: 'discard', isGood: (value, session) => value.length === (session.fourOctet ? 8 : 6) },
  8: { flags: 0xc0, severity: 'withdraw', isGood: items(4) },
  9: { flags: 0x80, severity: 'withdraw', isGood: ofLength(4) },
  10: { flags: 0x80, severity: 'withdraw', isGood: items(4) },
  16: { flags: 0xc0, severity: 'withdraw', isGood: items(8) },
  17: { flags: 0xc0, severity: 'discard', isGood: (value) => readPath(value, true) !== undefined },
  18: { flags: 0xc0, severity: 'discard', isGood: ofLength(8) },
  32: { flags: 0xc0, severity: 'withdraw', isGood: items(12) },
  35: { flags: 0xc0, severity: 'withdraw', isGood: ofLength(4) },
}
const INTERNAL_ONLY = [5, 9, 10]
const TWO_OCTET_ONLY = [17, 18]

export function readAttributes(list: Uint8Array, session: TwinSession): TwinAttributes {
  const found: TwinAttributes = {
    values: new Map(),
    resets: new Set(),
    withdraw: false,
    reach: [],
    unreach: [],
    nextHop: undefined,
    sawReach: false,
  }
  const seen = new Set<number>()
  let at = 0
  while (at < list.length) {
    const flags = list[at] as number
    const isExtended = (flags & 0x10) !== 0
    const head = isExtended ? 4 : 3
    const length = list.length - at < head ? Infinity : isExtended ? read16(list, at + 2) : (list[at + 2] as number)
    if (at + head + length > list.length) {
      found.withdraw = true
      break
    }
    const code = list[at + 1] as number
    const value = list.subarray(at + head, at + head + length)
    at += head + length
    if (seen.has(code)) {
      if (code === 14 || code === 15) found.resets.add('3/1')
      continue
    }
    seen.add(code)
    if (code === 14 || code === 15) readMultiprotocol(code, flags, value, session, found)
    else readPlain(code, flags, value, session, found)
  }
  return found
}

function readPlain(code: number, flags: number, value: Uint8Array, session: TwinSession, found: TwinAttributes): void {
  const rule = RULES[code]
  if (rule === undefined) {
    if ((flags & 0x80) === 0) found.resets.add('3/2')
    else if (code === 25 && (value.length === 0 || value.length % 20 !== 0)) found.withdraw = true
    return
  }
  if (INTERNAL_ONLY.includes(code) && !session.internal) return
  if (TWO_OCTET_ONLY.includes(code) && session.fourOctet) return
  if ((flags & 0xc0) !== rule.flags) found.withdraw = true
  else if (rule.isGood(value, session)) found.values.set(code, value)
  else if (rule.severity === 'withdraw') found.withdraw = true
}

function readMultiprotocol(
  code: number,
  flags: number,
  value: Uint8Array,
  session: TwinSession,
  found: TwinAttributes,
): void {
  if (code === 14) found.sawReach = true
  if ((flags & 0xc0) !== 0x80) {
    found.resets.add('3/4')
    return
  }
  const read = readReach(value, code === 14, session)
  if ('reset' in read) {
    found.resets.add(read.reset)
    return
  }
  const into = code === 14 ? found.reach : found.unreach
  into.push(...read.prefixes)
  if (code === 14) found.nextHop = read.nextHop
  if (code === 14 && read.prefixes.length > 0 && !isHost(read.nextHop ?? '')) found.withdraw = true
}

const isHost = (hop: string): boolean =>
  !/^0*$/.test(hop) && !(hop.length === 8 ? /^[ef]/.test(hop) : hop.startsWith('ff'))

/** @returns undefined for a path that is malformed (RFC 7606 §7.2) */
export function readPath(value: Uint8Array, fourOctet: boolean): TwinSegment[] | undefined {
  const width = fourOctet ? 4 : 2
  const segments: TwinSegment[] = []
  for (let at = 0; at < value.length; ) {
    const [type, count] = [value[at] as number, value[at + 1] ?? 0]
    const end = at + 2 + count * width
    if (type < 1 || type > 4 || count === 0 || end > value.length) return undefined
    const asns: number[] = []
    for (let from = at + 2; from < end; from += width) asns.push(fourOctet ? read32(value, from) : read16(value, from))
    segments.push({ type, asns })
    at = end
  }
  return segments
}

/** Communities as text, in their order. */
export const communitiesOf = (value: Uint8Array | undefined): string => (value === undefined ? '' : hexOf(value))
