import { checkHeader, HEADER_OCTETS, MAX_MESSAGE_OCTETS } from './header.ts'

/**
 * Cuts a stream of octets into whole messages. Holds at most what was pushed and not yet taken out; the owner stops
 * reading its socket while messages wait here.
 */
export class MessageFramer {
  #buffer: Uint8Array = new Uint8Array(0)
  #position = 0
  /** Longest message that is let through; raised once RFC 8654 is agreed. */
  maxOctets: number = MAX_MESSAGE_OCTETS

  get pendingOctets(): number {
    return this.#buffer.length - this.#position
  }

  /** Adds received octets; `chunk` is kept, not copied, when nothing is left from before. */
  push(chunk: Uint8Array): void {
    if (this.pendingOctets === 0) {
      this.#buffer = chunk
    } else {
      const joined = Buffer.allocUnsafe(this.pendingOctets + chunk.length)
      joined.set(this.#buffer.subarray(this.#position), 0)
      joined.set(chunk, this.pendingOctets)
      this.#buffer = joined
    }
    this.#position = 0
  }

  /**
   * The next whole message with its header, a view; undefined when more octets are needed.
   * @throws {BgpMessageError} Message Header Error; the stream is useless from here on
   */
  next(): Uint8Array | undefined {
    if (this.pendingOctets < HEADER_OCTETS) return undefined
    const length = checkHeader(this.#buffer, this.#position, this.maxOctets)
    if (this.pendingOctets < length) return undefined
    const start = this.#position
    this.#position += length
    return this.#buffer.subarray(start, this.#position)
  }
}
