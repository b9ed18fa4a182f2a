import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Link } from './namespace-pair.ts'

const run = promisify(execFile)

/** How a peer under test is set up. It originates `networks` with `community` and `largeCommunity` where it can. */
export interface DaemonSetup {
  readonly asn: number
  readonly ourAsn: number
  readonly routerId: string
  readonly networks: readonly string[]
  /** What the session runs over; default IPv4. */
  readonly transport?: 'ipv4' | 'ipv6'
  /** Our address, when it is not the one at the other end of the link. */
  readonly ourAddress?: string
  /** TCP MD5 key. */
  readonly password?: string
  /** GTSM; more than 1 or undefined with `ourAddress`: multihop. */
  readonly ttlSecurityHops?: number
  /** Whom to dial instead, a link-local address with its zone; BIRD's driver alone. */
  readonly neighbor?: string
  /** More options of the session, in the daemon's words; `PEER` stands for our address. */
  readonly extra?: string
  /** The same for each address family: the daemon's words differ in where they go. */
  readonly familyExtra?: string
  /** IPv6 next hops of IPv4 routes (RFC 8950). */
  readonly extendedNextHop?: boolean
  /** Its routes go to the kernel of its namespace; BIRD and FRR. */
  readonly kernel?: boolean
  /** A second peer, who dials. */
  readonly third?: { readonly address: string; readonly asn: number; readonly extra?: string }
}

/** A route as the daemon shows it, as text to search in. */
export interface Daemon extends AsyncDisposable {
  readonly name: string
  readonly setup: DaemonSetup
  readonly link: Link
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** Everything it says about a prefix; empty when it has none. */
  route(prefix: string): Promise<string>
  withdraw(prefix: string): Promise<void>
  announce(prefix: string): Promise<void>
}

/** What the drivers share: a process in a namespace with a directory of its own. */
export abstract class DaemonProcess implements Daemon {
  abstract readonly name: string
  readonly setup: DaemonSetup
  readonly link: Link
  readonly directory: string
  #child: ChildProcess | undefined
  readonly #beside: ChildProcess[] = []
  #log = ''

  constructor(link: Link, setup: DaemonSetup) {
    this.link = link
    this.setup = setup
    this.directory = mkdtempSync(join(tmpdir(), 'mgybgp-'))
  }

  get log(): string {
    return this.#log
  }

  /** Our end, as the daemon is told. */
  protected get ourAddress(): string {
    return this.setup.ourAddress ?? this.link.ours[this.setup.transport ?? 'ipv4']
  }

  abstract start(): Promise<void>
  abstract route(prefix: string): Promise<string>
  abstract withdraw(prefix: string): Promise<void>
  abstract announce(prefix: string): Promise<void>

  protected spawn(command: string, args: readonly string[]): void {
    this.#child = this.#spawned(command, args)
  }

  /** Another process, which stays when the daemon is killed. */
  protected spawnBeside(command: string, args: readonly string[]): void {
    this.#beside.push(this.#spawned(command, args))
  }

  #spawned(command: string, args: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.link.namespace, command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    return child
  }

  /** Output of a command in the daemon's namespace; its error output when it fails. */
  protected async ask(command: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run('ip', ['netns', 'exec', this.link.namespace, command, ...args], { timeout: 30_000 })
    return stdout
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined) await end(child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await Promise.all(this.#beside.map(end))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
