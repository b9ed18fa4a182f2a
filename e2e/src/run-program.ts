import { spawn } from 'node:child_process'

/** A program that failed, with what it said. */
export class ProgramError extends Error {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string

  constructor(argv: readonly string[], outcome: { code: number | null; stdout: string; stderr: string }) {
    super(`${argv.join(' ')} ended with ${outcome.code}: ${outcome.stderr.trim() || outcome.stdout.trim()}`)
    this.name = 'ProgramError'
    this.exitCode = outcome.code
    this.stdout = outcome.stdout
    this.stderr = outcome.stderr
  }
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Default 60 s; the program is killed then. */
  readonly timeoutMs?: number
}

/** Runs a program to its end. @returns its stdout @throws {ProgramError} when its exit code is not 0 */
export async function runProgram(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { env, input = '', timeoutMs = 60_000 } = options
  const [program = '', ...args] = argv
  const child = spawn(program, args, { env: { ...process.env, ...env }, timeout: timeoutMs, killSignal: 'SIGKILL' })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A program that ends without reading its input says so by its exit code.
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') child.emit('error', error)
  })
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const outcome = {
    code,
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8'),
  }
  if (code !== 0) throw new ProgramError(argv, outcome)
  return outcome.stdout
}

/** Runs a program in the network namespace of that name. */
export async function runIn(netns: string, argv: readonly string[], options?: RunOptions): Promise<string> {
  return runProgram(['nsenter', `--net=/run/netns/${netns}`, ...argv], options)
}
