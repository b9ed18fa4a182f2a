import type { NotificationFields } from '../../errors.ts'
import { MessageType, withHeader } from '../header.ts'
import { CeaseSubcode, NotificationCode } from '../notification-names.ts'

/** NOTIFICATION (RFC 4271 §4.5). */
export interface NotificationMessage {
  readonly type: 'notification'
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

/** Longest shutdown text (RFC 9003 §2). */
const MAX_SHUTDOWN_TEXT_OCTETS = 255

export function decodeNotification(body: Uint8Array): NotificationMessage {
  return { type: 'notification', code: body[0] as number, subcode: body[1] as number, data: body.slice(2) }
}

export function encodeNotification(fields: NotificationFields): Uint8Array {
  const data = (fields.data ?? new Uint8Array(0)).subarray(0, 4096 - 21)
  const body = new Uint8Array(2 + data.length)
  body[0] = fields.code
  body[1] = fields.subcode
  body.set(data, 2)
  return withHeader(MessageType.Notification, body)
}

/** The data of an administrative shutdown or reset: the operator's text, cut at a character boundary (RFC 9003). */
export function shutdownData(text: string): Uint8Array {
  let octets = new TextEncoder().encode(text)
  if (octets.length > MAX_SHUTDOWN_TEXT_OCTETS) {
    let end = MAX_SHUTDOWN_TEXT_OCTETS
    while (end > 0 && ((octets[end] as number) & 0xc0) === 0x80) end--
    octets = octets.subarray(0, end)
  }
  return Uint8Array.of(octets.length, ...octets)
}

/**
 * The shutdown text that a peer sent, fit for one log line: clamped to what is there, invalid UTF-8 replaced, control
 * characters taken out (RFC 9003 §5). Undefined when there is none.
 */
export function shutdownText(message: NotificationMessage): string | undefined {
  const isShutdown =
    message.subcode === CeaseSubcode.AdministrativeShutdown || message.subcode === CeaseSubcode.AdministrativeReset
  if (message.code !== NotificationCode.Cease || !isShutdown) return undefined
  const length = Math.min(message.data[0] ?? 0, message.data.length - 1)
  if (length <= 0) return undefined
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return new TextDecoder().decode(message.data.subarray(1, 1 + length)).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}
