import { type FSWatcher, watch } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApiError } from '@margay/datastore'
import type { Logger } from 'pino'
import { CniError, CniErrorCode } from './cni-error.ts'
import { type CniRequest, parseRequest, splitRequest } from './cni-request.ts'
import type { KeyedQueue } from './keyed-queue.ts'

const RETRY_MS = 5_000

type Attachment = Pick<CniRequest, 'containerId' | 'ifName'>

interface WaitingDeletesParts {
  readonly directory: string
  /** Calls of one container are done one after the other: shared with those that come over the socket. */
  readonly calls: KeyedQueue
  readonly delete: (request: CniRequest) => Promise<void>
  readonly log: Logger
}

/**
 * DELs that couldn't be finished (the plugin found no agent, the agent no API server) wait on disk, a file for each
 * attachment, and are tried again. The plugin writes `CONTAINER-INTERFACE.del` too: see packages/cni/c/margay-cni.c.
 */
export class WaitingDeletes {
  readonly #parts: WaitingDeletesParts
  #pass: Promise<void> | undefined
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(parts: WaitingDeletesParts) {
    this.#parts = parts
  }

  /** Works off what waits now, and what the plugin, finding us away, puts there later. */
  async start(): Promise<void> {
    const { directory, log } = this.#parts
    await mkdir(directory, { recursive: true, mode: 0o700 })
    this.#watcher = watch(directory, (_event, file) => {
      if (file?.endsWith('.del') === true) this.#schedule(0)
    })
    this.#watcher.on('error', (error) => log.error({ err: error }, 'the queue of DELs cannot be watched'))
    this.#schedule(0)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#watcher?.close()
  }

  async keep(request: CniRequest, bytes: Buffer): Promise<void> {
    const path = this.#pathOf(request)
    await writeFile(`${path}.new`, bytes, { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
    this.#schedule(RETRY_MS)
  }

  /**
   * Finishes the DEL that waits for an attachment, if there is one. An ADD for the attachment must do so first: else the
   * DEL would later take away what the ADD made. To be called as a call of the container.
   *
   * @throws {ApiError} API_UNAVAILABLE: it still waits
   */
  async finish(attachment: Attachment): Promise<void> {
    const path = this.#pathOf(attachment)
    const request = await this.#read(path)
    if (request === undefined) return
    await this.#parts.delete(request)
    await rm(path, { force: true })
    this.#parts.log.info({ containerId: request.containerId }, 'finished a DEL that had waited')
  }

  #pathOf({ containerId, ifName }: Attachment): string {
    return join(this.#parts.directory, `${containerId}-${ifName}.del`)
  }

  /** Undefined when nothing waits there; what is not a DEL is set aside. */
  async #read(path: string): Promise<CniRequest | undefined> {
    try {
      const request = parseRequest(splitRequest(await readFile(path)))
      if (request.command !== 'DEL' || this.#pathOf(request) !== path)
        throw new CniError(CniErrorCode.decodeFailure, 'this is not the DEL that the name of the file says')
      return request
    } catch (error) {
      if (isMissing(error)) return undefined
      if (!(error instanceof CniError)) throw error
      this.#parts.log.error({ path, error: error.message }, 'a DEL in the queue cannot be read: set aside')
      await rename(path, `${path}.bad`)
      return undefined
    }
  }

  #schedule(afterMs: number): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const previous = this.#pass
      this.#pass = (async () => {
        await previous
        await this.#finishAll().catch((error: unknown) =>
          this.#parts.log.error({ err: error }, 'the queue of DELs cannot be read'),
        )
      })()
    }, afterMs)
    this.#timer.unref()
  }

  async #finishAll(): Promise<void> {
    const { directory, calls, log } = this.#parts
    const files = (await readdir(directory)).filter((file) => file.endsWith('.del'))
    for (const file of files) {
      const path = join(directory, file)
      try {
        const request = await this.#read(path)
        // Looked up anew when its turn comes: an ADD may have finished it meanwhile.
        if (request !== undefined) await calls.run(request.containerId, async () => this.finish(request))
      } catch (error) {
        log.warn({ path, error: String(error) }, 'a DEL in the queue must wait')
        this.#schedule(RETRY_MS)
        if (isUnavailable(error)) return
      }
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** The API server is away: the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'API_UNAVAILABLE'
}
