import { execFileSync } from 'node:child_process'

/** Address of the speaker under test. */
export const SPEAKER_ADDRESS = '10.77.0.1'

let counter = 0

/** Address of the load generator's session number `id`. */
export function peerAddress(id: number): string {
  return `10.77.${128 + Math.floor(id / 200)}.${1 + (id % 200)}`
}

/** Two namespaces and a link: the speaker in one, every peer of the load generator in the other. */
export class Testbed implements Disposable {
  readonly speaker: string
  readonly load: string
  readonly #dispose = (): void => this[Symbol.dispose]()

  constructor() {
    const id = `mgy-bbgp-${process.pid}-${counter++}`
    this.speaker = `${id}-dut`
    this.load = `${id}-load`
    process.once('exit', this.#dispose)
    for (const namespace of [this.speaker, this.load]) {
      ip('netns', 'add', namespace)
      ip('-n', namespace, 'link', 'set', 'lo', 'up')
    }
    ip('-n', this.speaker, 'link', 'add', 'b0', 'type', 'veth', 'peer', 'name', 'b0', 'netns', this.load)
    for (const [namespace, address] of [
      [this.speaker, `${SPEAKER_ADDRESS}/16`],
      [this.load, '10.77.0.2/16'],
    ] as const) {
      ip('-n', namespace, 'address', 'add', address, 'dev', 'b0')
      ip('-n', namespace, 'link', 'set', 'b0', 'up')
    }
    // Every address of the upper half is the load generator's own.
    ip('-n', this.load, 'route', 'add', 'local', '10.77.128.0/17', 'dev', 'lo')
  }

  /** Ends what still runs in the namespaces, and removes them. */
  [Symbol.dispose](): void {
    process.off('exit', this.#dispose)
    for (const namespace of [this.speaker, this.load]) {
      const pids = execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).split('\n').filter(Boolean)
      for (const pid of pids) endProcess(Number(pid))
      ip('netns', 'del', namespace)
    }
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] })
}
