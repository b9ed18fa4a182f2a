import { readdirSync, statSync } from 'node:fs'

/** Kills every process whose network namespace is the named one: what a crashed lab left running. */
export function killEverythingIn(netns: string): void {
  const inode = inodeOf(`/run/netns/${netns}`)
  if (inode === undefined) return
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue
    if (inodeOf(`/proc/${entry}/ns/net`) === inode) killIfThere(Number(entry))
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
