import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { usageOf } from './process-usage.ts'

const SOURCE = fileURLToPath(new URL('blaster.c', import.meta.url))
const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/margay/bench', import.meta.url))

/** What a receiver holds and what came to it. */
export interface ReceiverStats {
  readonly peer: number
  readonly holds: number
  /** Prefixes that were not to come, or came with another path than the one they were announced with. */
  readonly wrong: number
  readonly updates: number
  readonly announced: number
  readonly withdrawn: number
  readonly octets: number
  /** ASes in the shortest path held, and how many prefixes are held with such a path. */
  readonly shortestPath: number
  readonly withShortestPath: number
  /** Longest time without an octet from the speaker, seconds. */
  readonly longestSilence: number
}

/** A line of the load generator's output; `t` in seconds of the monotonic clock. */
export interface BlasterEvent {
  readonly event: string
  readonly t: number
  readonly text?: string
  readonly retries?: number
  readonly receivers?: readonly ReceiverStats[]
}

/** Builds the load generator. @returns its path */
export function buildBlaster(): string {
  mkdirSync(CACHE, { recursive: true })
  const program = `${CACHE}/bgp-blaster-${process.pid}`
  execFileSync('gcc', ['-O2', '-Wall', '-o', program, SOURCE], { stdio: ['ignore', 'ignore', 'inherit'] })
  return program
}

/** A running load generator (`blaster.c` has its commands). */
export class Blaster implements Disposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #events: BlasterEvent[] = []
  #waiter: (() => void) | undefined
  #failure: Error | undefined
  #stderr = ''

  constructor(program: string, namespace: string) {
    this.#child = spawn('ip', ['netns', 'exec', namespace, program])
    createInterface(this.#child.stdout).on('line', (line) => this.#take(JSON.parse(line) as BlasterEvent))
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-2000)
    })
    this.#child.on('exit', (code, signal) => this.#fail(new Error(`the load generator ended: ${code ?? signal}`)))
    this.#child.stdin.on('error', (error) => this.#fail(error))
  }

  /** CPU that it has used so far, seconds: to see that the load is not the bottleneck. */
  get cpuSeconds(): number {
    return this.#child.pid === undefined ? 0 : usageOf(this.#child.pid).cpuSeconds
  }

  /** What it said on stderr: NOTIFICATIONs received. */
  get stderr(): string {
    return this.#stderr
  }

  send(...commands: readonly string[]): void {
    this.#child.stdin.write(commands.map((command) => `${command}\n`).join(''))
  }

  /** The next event of this name; earlier ones of other names are dropped. @throws when it doesn't come in time */
  async next(name: string, timeoutMs: number): Promise<BlasterEvent> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const found = this.#events.findIndex(({ event }) => event === name)
      const event = this.#events[found]
      if (event !== undefined) {
        this.#events.splice(0, found + 1)
        return event
      }
      if (this.#failure !== undefined) throw this.#failure
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`no ${name} in ${timeoutMs / 1000} s; ${this.#stderr}`)
      // oxlint-disable-next-line no-await-in-loop -- waits for one event after the other
      await this.#change(left)
    }
  }

  async stats(): Promise<readonly ReceiverStats[]> {
    this.send('stats')
    return (await this.next('stats', 60_000)).receivers ?? []
  }

  [Symbol.dispose](): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }

  async #change(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, timeoutMs)
    this.#waiter = resolve
    await promise
    clearTimeout(timer)
  }

  #take(event: BlasterEvent): void {
    if (event.event === 'error') this.#fail(new Error(`load generator: ${event.text}`))
    if (event.event === 'lost') this.#fail(new Error(`a session was lost: ${JSON.stringify(event)}; ${this.#stderr}`))
    this.#events.push(event)
    this.#waiter?.()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#waiter?.()
  }
}
