import { readdirSync, readFileSync } from 'node:fs'

/** sysconf(_SC_CLK_TCK) on Linux. */
const TICKS_PER_SECOND = 100

/** What a process and its children have used so far. */
export interface Usage {
  readonly cpuSeconds: number
  readonly rssMb: number
  /** Sum over the processes of the most that each has held. */
  readonly peakRssMb: number
}

export function usageOf(pid: number): Usage {
  const pids = processTree(pid)
  const total = (measure: (pid: number) => number): number => pids.reduce((sum, each) => sum + measure(each), 0)
  return {
    cpuSeconds: total(cpuSeconds),
    rssMb: total((each) => statusKb(each, 'VmRSS') / 1000),
    peakRssMb: total((each) => statusKb(each, 'VmHWM') / 1000),
  }
}

function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(processTree)]
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function statusKb(pid: number, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0)
}

/** Something in the process's network namespace listens on TCP port 179. */
export function listensForBgp(pid: number): boolean {
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8'))
  return tables.some((table) => /:00B3 [0-9A-F]+:0000 0A /.test(table))
}
