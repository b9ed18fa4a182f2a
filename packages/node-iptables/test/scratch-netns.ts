import { execFileSync } from 'node:child_process'
import { createNetns, deleteNetns, type NetnsHandle, openNetns } from '@margay/netlink'

let count = 0

/** A namespace with a name of its own; gone when the `using` scope ends. */
export interface ScratchNetns extends Disposable {
  readonly name: string
  readonly handle: NetnsHandle
  /** Runs a program inside; returns stdout. */
  run: (program: string, args: readonly string[], input?: string) => string
}

export function scratchNetns(): ScratchNetns {
  const name = `ipt-${process.pid}-${count++}`
  createNetns(name)
  const handle = openNetns(name)
  return {
    name,
    handle,
    run: (program, args, input = '') =>
      execFileSync('ip', ['netns', 'exec', name, program, ...args], { encoding: 'utf8', input, stdio: 'pipe' }),
    [Symbol.dispose]: () => {
      handle.close()
      deleteNetns(name)
    },
  }
}
