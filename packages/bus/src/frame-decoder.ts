import { BusError } from './errors.ts'
import { asFrame, type Frame } from './link.ts'

/** The largest frame taken, in octets: far above MAX_BATCH Kubernetes objects of ordinary size. */
const MAX_FRAME_OCTETS = 64 * 1024 * 1024
export const HEADER_OCTETS = 4

/** Cuts a byte stream into frames. Holds at most one incomplete frame. */
export class FrameDecoder {
  #chunks: Buffer[] = []
  #buffered = 0;

  /** @throws {BusError} BUS_BAD_FRAME: too large, no JSON, or no frame of ours. */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    while (this.#buffered >= HEADER_OCTETS) {
      const head = this.#gather(HEADER_OCTETS)
      const length = head.readUInt32BE(0)
      if (length > MAX_FRAME_OCTETS) throw new BusError('BUS_BAD_FRAME', `a frame of ${length} octets is too large`)
      if (this.#buffered < HEADER_OCTETS + length) return
      const whole = this.#gather(HEADER_OCTETS + length)
      this.#chunks = [whole.subarray(HEADER_OCTETS + length)]
      this.#buffered -= HEADER_OCTETS + length
      yield parseFrame(whole.subarray(HEADER_OCTETS, HEADER_OCTETS + length))
    }
  }

  /** The buffered octets as one buffer, joined only when the first chunk is shorter than `octets`. */
  #gather(octets: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= octets) return first
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }
}

function parseFrame(body: Buffer): Frame {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw new BusError('BUS_BAD_FRAME', 'a frame is not JSON')
  }
  const frame = asFrame(value)
  if (frame === undefined) throw new BusError('BUS_BAD_FRAME', 'a frame has an unknown shape')
  return frame
}
