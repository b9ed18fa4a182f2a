import { BgpMessageError } from '../errors.ts'

export const HEADER_OCTETS = 19
/** Longest message of RFC 4271 §4.1, and of RFC 8654 where both ends agreed on it. */
export const MAX_MESSAGE_OCTETS = 4096
export const MAX_EXTENDED_OCTETS = 65535
const MARKER_OCTETS = 16

export const MessageType = { Open: 1, Update: 2, Notification: 3, Keepalive: 4, RouteRefresh: 5 } as const
export type MessageType = (typeof MessageType)[keyof typeof MessageType]

const MIN_OCTETS: Readonly<Record<MessageType, number>> = { 1: 29, 2: 23, 3: 21, 4: 19, 5: 23 }

/** A message with its marker, length and type in front of `body`. */
export function withHeader(type: MessageType, body: Uint8Array): Uint8Array {
  const length = HEADER_OCTETS + body.length
  const message = new Uint8Array(length)
  message.fill(0xff, 0, MARKER_OCTETS)
  message[16] = length >>> 8
  message[17] = length
  message[18] = type
  message.set(body, HEADER_OCTETS)
  return message
}

/**
 * Checks the header at `at` (RFC 4271 §6.1); at least 19 octets must be there.
 * @returns length of the whole message @throws {BgpMessageError} Message Header Error
 */
export function checkHeader(bytes: Uint8Array, at: number, maxOctets: number): number {
  for (let index = 0; index < MARKER_OCTETS; index++) {
    if (bytes[at + index] !== 0xff) throw new BgpMessageError('marker is not all ones', { code: 1, subcode: 1 })
  }
  const high = bytes[at + 16] as number
  const low = bytes[at + 17] as number
  const length = (high << 8) | low
  const type = bytes[at + 18] as number
  const badLength = (): BgpMessageError =>
    new BgpMessageError(`message of ${length} octets, type ${type}`, {
      code: 1,
      subcode: 2,
      data: Uint8Array.of(high, low),
    })
  if (length < HEADER_OCTETS || length > maxOctets) throw badLength()
  if (type < 1 || type > 5) {
    throw new BgpMessageError(`message type ${type}`, { code: 1, subcode: 3, data: Uint8Array.of(type) })
  }
  // RFC 8654 §4: OPEN and KEEPALIVE stay within 4,096 octets whatever was agreed.
  if (type === MessageType.Open && length > MAX_MESSAGE_OCTETS) throw badLength()
  const min = MIN_OCTETS[type as MessageType]
  // A ROUTE-REFRESH of the wrong length is Error 7/1 of its own (RFC 7313 §5).
  if (type !== MessageType.RouteRefresh && length < min) throw badLength()
  if (type === MessageType.Keepalive && length !== min) throw badLength()
  return length
}
