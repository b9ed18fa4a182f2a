import type { Family } from '@margay/net'
import { BgpMessageError } from '../../errors.ts'
import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { MessageType, withHeader } from '../header.ts'

/** ROUTE-REFRESH (RFC 2918). `subtype` is 0 for a plain request; 1 and 2 are the marks of RFC 7313. */
export interface RouteRefreshMessage {
  readonly type: 'routeRefresh'
  /** Undefined for a family that this speaker does not carry: to be ignored. */
  readonly family: Family | undefined
  readonly subtype: number
}

/** Values of the third octet (RFC 7313 §3.2): a request, beginning and end of an answer. */
export const RefreshSubtype = { Request: 0, BeginningOfRefresh: 1, EndOfRefresh: 2 } as const
export type RefreshSubtype = (typeof RefreshSubtype)[keyof typeof RefreshSubtype]

/**
 * Reads a ROUTE-REFRESH. A request may have an ORF list behind it (RFC 5291), which is not read.
 * @throws {BgpMessageError} 7/1 for a wrong length, with the whole message (RFC 7313 §5)
 */
export function decodeRouteRefresh(body: Uint8Array): RouteRefreshMessage {
  const subtype = body[2]
  const isMark = subtype === RefreshSubtype.BeginningOfRefresh || subtype === RefreshSubtype.EndOfRefresh
  if (body.length < 4 || (isMark && body.length !== 4)) {
    const data = withHeader(MessageType.RouteRefresh, body)
    throw new BgpMessageError(`ROUTE-REFRESH of ${body.length} octets`, { code: 7, subcode: 1, data })
  }
  const afi = ((body[0] as number) << 8) | (body[1] as number)
  return { type: 'routeRefresh', family: familyOf(afi, body[3] as number), subtype: subtype as number }
}

export const encodeRouteRefresh = (family: Family, subtype: RefreshSubtype = RefreshSubtype.Request): Uint8Array =>
  withHeader(MessageType.RouteRefresh, Uint8Array.of(0, afiOf(family), subtype, SAFI_UNICAST))
