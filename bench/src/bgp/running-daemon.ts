import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { BenchDaemon, BenchSetup } from './daemons/daemon.ts'
import { listensForBgp, type Usage, usageOf } from './process-usage.ts'

const START_TIMEOUT_MS = 30_000

/** A speaker under test in its namespace, from the moment it listens. */
export class RunningDaemon implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #log: () => string

  private constructor(child: ChildProcess, directory: string, log: () => string) {
    this.#child = child
    this.#directory = directory
    this.#log = log
  }

  static async start(daemon: BenchDaemon, setup: BenchSetup, namespace: string): Promise<RunningDaemon> {
    const directory = mkdtempSync(join(tmpdir(), 'mgybbgp-'))
    const configFile = join(directory, 'config')
    writeFileSync(configFile, daemon.config(setup), { mode: 0o600 })
    const child = spawn('ip', ['netns', 'exec', namespace, ...daemon.command(configFile, directory)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-4000)
      })
    }
    const running = new RunningDaemon(child, directory, () => log)
    try {
      await running.#untilItListens()
    } catch (error) {
      await running[Symbol.asyncDispose]()
      throw error
    }
    return running
  }

  get log(): string {
    return this.#log()
  }

  usage(): Usage {
    return usageOf(this.#pid)
  }

  get #pid(): number {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) throw new Error(`it ended:\n${this.log}`)
    return pid
  }

  async #untilItListens(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!listensForBgp(this.#pid)) {
      if (performance.now() > deadline) throw new Error(`it does not listen:\n${this.log}`)
      // oxlint-disable-next-line no-await-in-loop -- there is no event to wait for
      await delay(20)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
      await exited
      clearTimeout(late)
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
