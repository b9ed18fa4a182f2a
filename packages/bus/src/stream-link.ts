import type { Duplex } from 'node:stream'
import { BusError } from './errors.ts'
import { FrameDecoder, HEADER_OCTETS } from './frame-decoder.ts'
import type { Frame, Link } from './link.ts'

const PING_INTERVAL_MS = 5_000
const SILENCE_LIMIT_MS = 15_000

/** A link over a byte stream: each frame is a 32-bit big-endian length and that many octets of JSON. */
export function streamLink(stream: Duplex, peer: string): Link {
  let handlers: Parameters<Link['receive']>[0] | undefined
  let failure: Error | undefined
  let lastHeard = Date.now()
  const decoder = new FrameDecoder()

  const close = (error?: Error): void => {
    failure ??= error
    stream.destroy()
  }
  const send = (frame: Frame): void => {
    if (stream.destroyed) return
    const body = Buffer.from(JSON.stringify(frame))
    const header = Buffer.alloc(HEADER_OCTETS)
    header.writeUInt32BE(body.length)
    stream.write(Buffer.concat([header, body]))
  }
  const heartbeat = setInterval(() => {
    if (Date.now() - lastHeard > SILENCE_LIMIT_MS) close(new BusError('BUS_TIMEOUT', `${peer} has gone silent`))
    else send({ t: 'ping' })
  }, PING_INTERVAL_MS)
  heartbeat.unref()

  stream.on('data', (chunk: Buffer) => {
    lastHeard = Date.now()
    try {
      for (const frame of decoder.push(chunk)) handlers?.frame(frame)
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      close(error)
    }
  })
  stream.on('end', () => stream.destroy())
  stream.on('error', (error) => {
    failure ??= error
  })
  stream.on('close', () => {
    clearInterval(heartbeat)
    handlers?.closed(failure)
  })
  return {
    peer,
    send,
    close,
    receive: (given) => {
      handlers = given
    },
  }
}
