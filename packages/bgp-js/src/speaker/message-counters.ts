/** Messages of one direction. */
export interface MessageCounts {
  open: number
  update: number
  notification: number
  keepalive: number
  routeRefresh: number
}

/** Messages of both directions, over all sessions of a peer. */
export interface MessageCounters {
  readonly in: MessageCounts
  readonly out: MessageCounts
}

const zero = (): MessageCounts => ({ open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 })

export const newMessageCounters = (): MessageCounters => ({ in: zero(), out: zero() })
