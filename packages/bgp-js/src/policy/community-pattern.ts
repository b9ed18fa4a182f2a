import { Address } from '@margay/net'
import { parseCommunity } from '../rib/route-attributes.ts'
import type { LargeCommunity, PathAttributes } from '../wire/path-attributes.ts'

/** Undefined stands for any number. */
type Wild = number | undefined

/** What a pattern text says. */
export type CommunityMatcher =
  | { readonly kind: 'standard'; readonly high: Wild; readonly low: Wild }
  | { readonly kind: 'large'; readonly parts: readonly [Wild, Wild, Wild] }
  | { readonly kind: 'target'; readonly subtype: number; readonly admin: Wild; readonly value: Wild }
  | { readonly kind: 'octets'; readonly octets: string }

/** Subtypes of extended communities (RFC 4360 §4, §5). */
const SUBTYPES: Readonly<Record<string, number>> = { rt: 2, ro: 3 }
const MAX_U16 = 0xffff
const MAX_U32 = 0xffffffff

/** @throws {RangeError} for a text that is no community and no pattern of some */
export function parseCommunityPattern(text: string): CommunityMatcher {
  const parts = text.split(':')
  const [first = '', second = '', third = ''] = parts
  if (first === 'ext' && parts.length === 2 && /^[0-9a-f]{16}$/i.test(second)) {
    return { kind: 'octets', octets: second.toLowerCase() }
  }
  const subtype = Object.hasOwn(SUBTYPES, first) ? SUBTYPES[first] : undefined
  if (subtype !== undefined && parts.length === 3) {
    const admin = Address.tryParse(second)?.family === 4 ? Number(Address.parse(second).value) : wild(second, MAX_U32)
    return { kind: 'target', subtype, admin, value: wild(third, MAX_U32) }
  }
  if (parts.length === 3) {
    return { kind: 'large', parts: [wild(first, MAX_U32), wild(second, MAX_U32), wild(third, MAX_U32)] }
  }
  if (parts.length === 2) return { kind: 'standard', high: wild(first, MAX_U16), low: wild(second, MAX_U16) }
  const value = parseCommunity(text)
  return { kind: 'standard', high: Math.floor(value / 0x10000), low: value % 0x10000 }
}

function wild(text: string, max: number): Wild {
  if (text === '*') return undefined
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new RangeError(`${JSON.stringify(text)} is no number up to ${max}`)
  return value
}

const fits = (pattern: Wild, value: number): boolean => pattern === undefined || pattern === value

export function matchesStandard(matcher: CommunityMatcher, community: number): boolean {
  if (matcher.kind !== 'standard') return false
  return fits(matcher.high, Math.floor(community / 0x10000)) && fits(matcher.low, community % 0x10000)
}

export function matchesLarge(matcher: CommunityMatcher, community: LargeCommunity): boolean {
  return matcher.kind === 'large' && matcher.parts.every((part, index) => fits(part, community[index] ?? -1))
}

/** `community`: 16 hexadecimal digits. */
export function matchesExtended(matcher: CommunityMatcher, community: string): boolean {
  if (matcher.kind === 'octets') return community.toLowerCase() === matcher.octets
  if (matcher.kind !== 'target') return false
  const type = Number.parseInt(community.slice(0, 2), 16)
  // Two-octet AS; IPv4 address and four-octet AS (RFC 4360 §3.1, §3.2; RFC 5668 §2): transitive ones.
  if (type > 2 || Number.parseInt(community.slice(2, 4), 16) !== matcher.subtype) return false
  const adminDigits = type === 0 ? 4 : 8
  const admin = Number.parseInt(community.slice(4, 4 + adminDigits), 16)
  return fits(matcher.admin, admin) && fits(matcher.value, Number.parseInt(community.slice(4 + adminDigits), 16))
}

/** Does the route carry a community that the pattern means? */
export function carries(attributes: PathAttributes, matcher: CommunityMatcher): boolean {
  switch (matcher.kind) {
    case 'standard':
      return attributes.communities?.some((community) => matchesStandard(matcher, community)) === true
    case 'large':
      return attributes.largeCommunities?.some((community) => matchesLarge(matcher, community)) === true
    case 'target':
    case 'octets':
      return attributes.extendedCommunities?.some((community) => matchesExtended(matcher, community)) === true
  }
}

/** One community, as it stands in its attribute. */
export type Community =
  | { readonly kind: 'standard'; readonly value: number }
  | { readonly kind: 'large'; readonly value: LargeCommunity }
  | { readonly kind: 'extended'; readonly value: string }

/** A pattern without `*`. @throws {RangeError} */
export function parseExactCommunity(text: string): Community {
  const matcher = parseCommunityPattern(text)
  switch (matcher.kind) {
    case 'standard':
      return { kind: 'standard', value: exact(matcher.high, text) * 0x10000 + exact(matcher.low, text) }
    case 'large': {
      const [global, local1, local2] = matcher.parts
      return { kind: 'large', value: [exact(global, text), exact(local1, text), exact(local2, text)] }
    }
    case 'octets':
      return { kind: 'extended', value: matcher.octets }
    case 'target':
      return { kind: 'extended', value: targetOctets(matcher, text) }
  }
}

function exact(part: Wild, text: string): number {
  if (part === undefined) throw new RangeError(`${JSON.stringify(text)} has a *: only matching and removing can`)
  return part
}

function targetOctets(matcher: CommunityMatcher & { kind: 'target' }, text: string): string {
  const [admin, value] = [exact(matcher.admin, text), exact(matcher.value, text)]
  const isAddress = text.split(':')[1]?.includes('.') === true
  const type = isAddress ? 1 : admin <= MAX_U16 ? 0 : 2
  const valueDigits = type === 0 ? 8 : 4
  if (value >= 16 ** valueDigits) throw new RangeError(`${JSON.stringify(text)} does not fit eight octets`)
  return hex(type, 2) + hex(matcher.subtype, 2) + hex(admin, 12 - valueDigits) + hex(value, valueDigits)
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
