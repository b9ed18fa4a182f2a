import type { NotificationFields } from '../errors.ts'
import { type NotificationMessage, shutdownText } from '../wire/messages/notification.ts'
import { notificationName } from '../wire/notification-names.ts'

/** Why a session ended last. Plain data. */
export interface SessionError {
  /** `sent`, `received`: a NOTIFICATION; `local`: the connection failed without one. */
  readonly direction: 'sent' | 'received' | 'local'
  readonly code?: number
  readonly subcode?: number
  /** The RFC's name of the code, for example `OPEN Message Error/Bad Peer AS`. */
  readonly name: string
  /** More, in words; with a received one the peer's own shutdown text (RFC 9003). */
  readonly text: string
  /** ISO time. */
  readonly at: string
}

export function sentError(fields: NotificationFields, text: string, at: Date): SessionError {
  const { code, subcode } = fields
  return { direction: 'sent', code, subcode, name: notificationName(code, subcode), text, at: at.toISOString() }
}

export function receivedError(message: NotificationMessage, at: Date): SessionError {
  const { code, subcode } = message
  // A Hard Reset carries the NOTIFICATION that it stands for (RFC 8538 §3.1).
  const inner = code === 6 && subcode === 9 && message.data.length >= 2 ? unwrap(message) : message
  const outerName = notificationName(code, subcode)
  const name = inner === message ? outerName : `${outerName} (${notificationName(inner.code, inner.subcode)})`
  return { direction: 'received', code, subcode, name, text: shutdownText(inner) ?? '', at: at.toISOString() }
}

const unwrap = ({ data }: NotificationMessage): NotificationMessage => ({
  type: 'notification',
  code: data[0] ?? 0,
  subcode: data[1] ?? 0,
  data: data.subarray(2),
})

export const localError = (text: string, at: Date): SessionError => ({
  direction: 'local',
  name: 'Connection failed',
  text,
  at: at.toISOString(),
})
