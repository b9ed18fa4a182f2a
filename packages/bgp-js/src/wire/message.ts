import type { WireSession } from './attribute-codec.ts'
import { HEADER_OCTETS, MessageType } from './header.ts'
import { decodeNotification, type NotificationMessage } from './messages/notification.ts'
import { decodeOpen, type OpenMessage } from './messages/open.ts'
import { decodeRouteRefresh, type RouteRefreshMessage } from './messages/route-refresh.ts'
import { decodeUpdate, type UpdateMessage } from './messages/update.ts'

export type BgpMessage =
  | OpenMessage
  | UpdateMessage
  | NotificationMessage
  | { readonly type: 'keepalive' }
  | RouteRefreshMessage

/**
 * Decodes one whole message as the framer yields it (header checked there). Views into `message` are not kept.
 * @throws {BgpMessageError} with the NOTIFICATION that answers it
 */
export function decodeMessage(message: Uint8Array, session: WireSession): BgpMessage {
  const type = message[18] as MessageType
  if (type === MessageType.Update) return decodeUpdate(message, session)
  const body = message.subarray(HEADER_OCTETS)
  switch (type) {
    case MessageType.Open:
      return decodeOpen(body)
    case MessageType.Notification:
      return decodeNotification(body)
    case MessageType.Keepalive:
      return { type: 'keepalive' }
    case MessageType.RouteRefresh:
      return decodeRouteRefresh(body)
  }
}
