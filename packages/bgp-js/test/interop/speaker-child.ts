import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { OriginateAttributes, PeerConfig, PeerStatus, RoutesQuery, RoutesView } from '../../src/index.ts'
import type { SpeakerRequest } from './speaker-process.ts'

const ENTRY = fileURLToPath(new URL('speaker-process.ts', import.meta.url))

// Each kind of request without its id.
type Question = SpeakerRequest extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never

/** Our speaker as a process of its own inside a namespace. */
export class SpeakerChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (result: unknown) => void>()
  #nextId = 1
  #log = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString()
    })
    child.on('message', ({ id, result }: { id: number; result: unknown }) => {
      this.#waiting.get(id)?.(result)
      this.#waiting.delete(id)
    })
  }

  /** @param neighbors by interface, the link-local address that discovery finds; without it, router advertisements tell */
  static async start(
    namespace: string,
    config: object,
    neighbors?: Readonly<Record<string, string>>,
  ): Promise<SpeakerChild> {
    const speakerArgs = [JSON.stringify(config), ...(neighbors === undefined ? [] : [JSON.stringify(neighbors)])]
    const args = ['netns', 'exec', namespace, process.execPath, ENTRY, ...speakerArgs]
    const child = spawn('ip', args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    const speaker = new SpeakerChild(child)
    const ready = new Promise((resolve) => speaker.#waiting.set(0, resolve))
    const died = once(child, 'exit').then(() => Promise.reject(new Error(`speaker did not start:\n${speaker.#log}`)))
    await Promise.race([ready, died])
    died.catch(() => undefined)
    return speaker
  }

  get log(): string {
    return this.#log
  }

  async peers(): Promise<PeerStatus[]> {
    return (await this.#ask({ do: 'peers' })) as PeerStatus[]
  }

  async routes(query: RoutesQuery = {}): Promise<RoutesView> {
    return (await this.#ask({ do: 'routes', query })) as RoutesView
  }

  async originate(prefix: string, attributes: OriginateAttributes = {}): Promise<void> {
    await this.#ask({ do: 'originate', prefix, attributes })
  }

  async withdraw(prefix: string): Promise<void> {
    await this.#ask({ do: 'withdraw', prefix })
  }

  async refresh(peer: string): Promise<void> {
    await this.#ask({ do: 'refresh', peer })
  }

  async updatePeer(config: PeerConfig): Promise<void> {
    await this.#ask({ do: 'updatePeer', config })
  }

  /** Lets a peer up at once that is down for its failures or its prefixes. */
  async clear(peer: string): Promise<void> {
    await this.#ask({ do: 'clear', peer })
  }

  /** RFC 8326. */
  async drain(on: boolean): Promise<void> {
    await this.#ask({ do: 'drain', on })
  }

  /** Prefixes that a subscriber was told to forget, since the start. */
  async deletes(): Promise<string[]> {
    return (await this.#ask({ do: 'deletes' })) as string[]
  }

  /** Ends every session with a shutdown text (RFC 9003). */
  async stop(text: string): Promise<void> {
    await this.#ask({ do: 'stop', graceful: false, text })
  }

  /** Prefixes of LocRib that came from a peer. */
  async learned(): Promise<string[]> {
    const { locRib } = await this.routes()
    return locRib.filter((route) => route.paths.some((path) => path.source !== 'local')).map((route) => route.prefix)
  }

  /** SIGKILL, and gone when this resolves. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #ask(question: Question): Promise<unknown> {
    const id = this.#nextId++
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve))
    this.#child.send({ ...question, id })
    return answered
  }
}
