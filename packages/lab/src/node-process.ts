import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'

/** The command line of Margay, from source. */
const CLI = join(import.meta.dirname, '../../cli/src/main.ts')

/** One Margay process in one namespace: an agent, or kube-controllers. */
export class NodeProcess {
  readonly #name: string
  readonly #netns: string
  readonly #command: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #logFile: string
  readonly #log: Logger
  #process: ChildProcess | undefined

  constructor(options: {
    name: string
    netns: string
    command: 'agent' | 'kube-controllers'
    environment: Readonly<Record<string, string>>
    logFile: string
    log: Logger
  }) {
    this.#name = options.name
    this.#netns = options.netns
    this.#command = options.command
    this.#environment = options.environment
    this.#logFile = options.logFile
    this.#log = options.log
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  start(): void {
    if (this.#process !== undefined) return
    const log = openSync(this.#logFile, 'a', 0o600)
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', CLI, this.#command]
    const child = spawn('nsenter', [`--net=/run/netns/${this.#netns}`, ...node], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'], HOME: '/root', ...this.#environment },
    })
    closeSync(log)
    this.#process = child
    child.once('close', (code, signal) => {
      if (this.#process === child) this.#process = undefined
      this.#log.info({ process: this.#name, code, signal }, 'a process ended')
    })
  }

  /** SIGTERM or SIGKILL; resolves when it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (child === undefined) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }
}
