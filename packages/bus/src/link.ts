/** What travels between two buses. `sub` asks for a topic, `ack` for its next batch; the rest answers. */
export type Frame =
  | { t: 'sub'; kind: 'table' | 'events'; topic: string }
  | { t: 'ack'; topic: string }
  | {
      t: 'batch'
      topic: string
      upserts: readonly (readonly [string, unknown])[]
      deletes: readonly string[]
      inSync: boolean
      watermark?: string | undefined
    }
  | { t: 'event'; topic: string; events: readonly unknown[]; dropped: number }
  | { t: 'refused'; topic: string }
  | { t: 'ping' }

/** A two-way, ordered channel of frames: the one thing that a transport has to offer. */
export interface Link {
  /** Who is at the other end, for logs. */
  readonly peer: string
  send(frame: Frame): void
  /** Both are set once, before the first frame can arrive. */
  receive(handlers: { frame: (frame: Frame) => void; closed: (error: Error | undefined) => void }): void
  close(error?: Error): void
}

/** Checks what came from outside. @returns undefined when it is no frame. */
export function asFrame(value: unknown): Frame | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const frame = value as Record<string, unknown>
  if (frame['t'] === 'ping') return { t: 'ping' }
  if (typeof frame['topic'] !== 'string') return undefined
  switch (frame['t']) {
    case 'sub':
      return frame['kind'] === 'table' || frame['kind'] === 'events' ? (value as Frame) : undefined
    case 'ack':
    case 'refused':
      return value as Frame
    case 'batch':
      return isBatch(frame) ? (value as Frame) : undefined
    case 'event':
      return Array.isArray(frame['events']) && typeof frame['dropped'] === 'number' ? (value as Frame) : undefined
    default:
      return undefined
  }
}

function isBatch(frame: Record<string, unknown>): boolean {
  const { upserts, deletes, inSync, watermark } = frame
  return (
    Array.isArray(upserts) &&
    upserts.every((entry) => Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string') &&
    Array.isArray(deletes) &&
    deletes.every((key) => typeof key === 'string') &&
    typeof inSync === 'boolean' &&
    (watermark === undefined || typeof watermark === 'string')
  )
}
