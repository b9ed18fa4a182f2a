import { execFileSync } from 'node:child_process'
import { createNetns, deleteNetns, listNetns } from '../src/index.ts'

let count = 0

/** A namespace with a name of its own; gone when the `using` scope ends. */
export interface ScratchNetns extends Disposable {
  readonly name: string
  /** Runs `ip …` inside; returns stdout. */
  ip: (...words: string[]) => string
  /** `ip -j …`, parsed. */
  ipJson: (...words: string[]) => Record<string, any>[]
  /** Runs any program inside. */
  run: (program: string, ...words: string[]) => string
}

export function scratchNetns(): ScratchNetns {
  const name = `nlt-${process.pid}-${count++}`
  createNetns(name)
  const run = (program: string, ...words: string[]): string =>
    execFileSync('ip', ['netns', 'exec', name, program, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const ip = (...words: string[]): string =>
    execFileSync('ip', ['-n', name, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return {
    name,
    run,
    ip,
    ipJson: (...words) => JSON.parse(ip('-d', '-j', ...words) || '[]') as Record<string, any>[],
    [Symbol.dispose]: () => {
      if (listNetns().includes(name)) deleteNetns(name)
    },
  }
}
