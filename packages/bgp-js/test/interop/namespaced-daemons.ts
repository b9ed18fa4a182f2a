import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Processes in a namespace that belong together, with a directory of their own. */
export abstract class NamespacedDaemons implements AsyncDisposable {
  readonly namespace: string
  readonly directory = mkdtempSync(join(tmpdir(), 'mgyd-'))
  readonly #children: ChildProcess[] = []
  #log = ''

  constructor(namespace: string) {
    this.namespace = namespace
  }

  get log(): string {
    return this.#log
  }

  protected spawn(command: string, args: readonly string[]): void {
    // A daemon that waits for a processor longer than a detection time would be a loss that we are right to see.
    const inside = ['netns', 'exec', this.namespace, 'chrt', '-r', '1', command, ...args]
    const child = spawn('ip', inside, { stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.#children.push(child)
  }

  protected async ask(command: string, args: readonly string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.namespace, command, ...args], { timeout: 30_000 })).stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.splice(0).toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}
