import { createWriteStream, type WriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BgpError } from '../errors.ts'
import { type Clock, type Log, silentLog, systemClock } from '../speaker/ports.ts'
import { encodeMrtRecord, type WritableMrtRecord } from './mrt-writer.ts'

export interface MrtUpdateLogOptions {
  readonly directory: string
  /** Files are called `prefix.YYYYMMDD.HHMMSS[.n].mrt`, in UTC. Default `updates`. */
  readonly prefix?: string
  /** A new file after this time, default 15 minutes, and after this size, default 256 MiB. */
  readonly rotateMs?: number
  readonly rotateOctets?: number
  /** What the disk has not taken yet may be this much; records beyond it are dropped and counted. */
  readonly maxBufferedOctets?: number
  readonly clock?: Clock
  readonly log?: Log
}

const DEFAULTS = { prefix: 'updates', rotateMs: 900_000, rotateOctets: 256 * 1024 * 1024, maxBufferedOctets: 16 << 20 }
/** Records of a table dump that are handed to the file at once. */
const BATCH_OCTETS = 1024 * 1024

/** Writes messages and state changes into files that change with time and size. It never makes the speaker wait. */
export class MrtUpdateLog {
  readonly #options: MrtUpdateLogOptions & typeof DEFAULTS
  readonly #clock: Clock
  readonly #log: Log
  #stream: WriteStream | undefined
  #written = 0
  #openedAt = 0
  #dropped = 0
  #lastName = ''
  #twins = 0

  constructor(options: MrtUpdateLogOptions) {
    this.#options = { ...DEFAULTS, ...options }
    this.#clock = options.clock ?? systemClock
    this.#log = options.log ?? silentLog
  }

  /** Records that the disk was too slow for, or that could not be written. */
  get dropped(): number {
    return this.#dropped
  }

  write(record: WritableMrtRecord): void {
    const stream = this.#currentStream()
    if (stream.writableLength > this.#options.maxBufferedOctets) {
      this.#dropped++
      return
    }
    const octets = encodeMrtRecord(record)
    this.#written += octets.length
    stream.write(octets, (error) => {
      if (error !== null && error !== undefined) this.#dropped++
    })
  }

  /** Resolves when everything is in the file. */
  async close(): Promise<void> {
    const stream = this.#stream
    this.#stream = undefined
    if (stream === undefined || stream.destroyed) return
    await new Promise<void>((resolve) => {
      stream.once('close', () => resolve())
      stream.end()
    })
  }

  #currentStream(): WriteStream {
    const now = this.#clock.now()
    const { rotateMs, rotateOctets, directory } = this.#options
    const isOver = now - this.#openedAt >= rotateMs || this.#written >= rotateOctets
    if (this.#stream !== undefined && !this.#stream.destroyed && !isOver) return this.#stream
    this.#stream?.end()
    const path = join(directory, this.#newName())
    // Never over a file of an earlier process.
    const stream = createWriteStream(path, { flags: 'ax' })
    stream.on('error', (error) => this.#log.error({ path, error: error.message }, 'MRT file'))
    this.#stream = stream
    this.#openedAt = now
    this.#written = 0
    return stream
  }

  #newName(): string {
    const digits = this.#clock.date().toISOString().replaceAll(/[-:]/g, '')
    const name = `${this.#options.prefix}.${digits.slice(0, 8)}.${digits.slice(9, 15)}`
    this.#twins = name === this.#lastName ? this.#twins + 1 : 0
    this.#lastName = name
    return this.#twins === 0 ? `${name}.mrt` : `${name}.${this.#twins}.mrt`
  }
}

/**
 * Writes records into a new file at `path`; whoever looks sees all of it or nothing.
 * @throws {BgpError} BGP_BAD_CONFIG for a path at which something else than a file is: a device would be replaced
 * @throws what the file system throws
 */
export async function writeMrtFile(path: string, records: Iterable<WritableMrtRecord>): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (there !== undefined && !there.isFile()) throw new BgpError('BGP_BAD_CONFIG', `${path} is no regular file`)
  const unfinished = `${path}.unfinished`
  try {
    await using file = await open(unfinished, 'w')
    let batch: Uint8Array[] = []
    let octets = 0
    const flush = async (): Promise<void> => {
      await file.appendFile(Buffer.concat(batch))
      batch = []
      octets = 0
    }
    for (const record of records) {
      const encoded = encodeMrtRecord(record)
      batch.push(encoded)
      octets += encoded.length
      if (octets >= BATCH_OCTETS) await flush()
    }
    if (batch.length > 0) await flush()
    await file.sync()
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}
