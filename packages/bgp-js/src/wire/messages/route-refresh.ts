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

/** @throws {BgpMessageError} 7/1 for a wrong length (RFC 7313 §5) */
export function decodeRouteRefresh(body: Uint8Array): RouteRefreshMessage {
  if (body.length < 4) {
    throw new BgpMessageError(`ROUTE-REFRESH of ${body.length} octets`, { code: 7, subcode: 1, data: body.slice() })
  }
  const afi = ((body[0] as number) << 8) | (body[1] as number)
  return { type: 'routeRefresh', family: familyOf(afi, body[3] as number), subtype: body[2] as number }
}

export const encodeRouteRefresh = (family: Family): Uint8Array =>
  withHeader(MessageType.RouteRefresh, Uint8Array.of(0, afiOf(family), 0, SAFI_UNICAST))
