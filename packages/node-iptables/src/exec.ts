import { type ChildProcess, spawn } from 'node:child_process'
import { type Netns, openNetns, withNetns } from '@margay/netlink'
import { IptablesError } from './errors.ts'

export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. @throws {IptablesError} IPTABLES_NOT_FOUND, IPTABLES_TIMEOUT */
export type Exec = (program: string, args: readonly string[], input?: string) => Promise<ExecResult>

/**
 * Runs programs as child processes.
 * @param options.netns start them in that network namespace
 * @param options.timeoutMs kill one that takes longer (default a minute)
 */
export function processExec(options: { netns?: Netns | undefined; timeoutMs?: number } = {}): Exec {
  const timeoutMs = options.timeoutMs ?? 60_000
  return async (program, args, input = '') => {
    const child = start(program, args, options.netns)
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    try {
      return await collect(child, program, input)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** A child is born in the namespace of the thread that starts it. */
function start(program: string, args: readonly string[], netns: Netns | undefined): ChildProcess {
  const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` }
  const run = (): ChildProcess => spawn(program, args, { stdio: 'pipe', env })
  if (netns === undefined) return run()
  if (typeof netns !== 'string') return withNetns(netns, run)
  using handle = openNetns(netns)
  return withNetns(handle, run)
}

async function collect(child: ChildProcess, program: string, input: string): Promise<ExecResult> {
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output.stdout += chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (output.stderr += chunk))
  return await new Promise((resolve, reject) => {
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT'
      const message = missing ? `${program} is not installed` : `${program} cannot be started: ${cause.message}`
      reject(new IptablesError('IPTABLES_NOT_FOUND', message, { cause }))
    })
    child.on('close', (exitCode, signal) => {
      if (exitCode !== null) resolve({ exitCode, ...output })
      else reject(new IptablesError('IPTABLES_TIMEOUT', `${program} was killed by ${signal}`, output))
    })
    // A program that refuses a line ends without reading the rest: its exit code tells more than EPIPE.
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') reject(error)
    })
    child.stdin?.end(input)
  })
}
