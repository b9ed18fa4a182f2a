import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Protocol } from '@margay/model'
import { runProgram } from './run-program.ts'

const PROGRAM = join(import.meta.dirname, '../build/margay-probe')
/** Below the ports that the kernel chooses from; a port comes again only when the kernel has forgotten its flow. */
const [FIRST_SOURCE_PORT, LAST_SOURCE_PORT] = [10_000, 32_000]

/** One question: does a first packet from here, and the answer to it, come through? */
export interface Probe {
  /** Name of the network namespace that it is sent from. */
  readonly netns: string
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  /** Sends from this address, even if it is not the namespace's own. Default: as the kernel chooses. */
  readonly source?: string
}

export type ProbeVerdict =
  /** `source`: the client's address as the server saw it. */
  | { readonly kind: 'answered'; readonly source: string }
  | { readonly kind: 'silent' }
  /** Something said no; what a policy drops gets no answer at all. */
  | { readonly kind: 'refused'; readonly why: string }
  /** The probe could not be sent. */
  | { readonly kind: 'error'; readonly why: string }

const nextSourcePort = new Map<string, number>()

/**
 * Sends all probes at once, each from a source port of its own, and waits until each has its answer or none has come
 * for `idleMs`. @returns verdicts in the order of the probes
 */
export async function fireProbes(probes: readonly Probe[], idleMs = 300): Promise<ProbeVerdict[]> {
  const lines = probes.map(({ netns, protocol, address, port, source = '-' }) =>
    [`/run/netns/${netns}`, protocol.toLowerCase(), source, takeSourcePort(netns), address, port].join(' '),
  )
  const output = await runProgram([PROGRAM, 'fire', String(idleMs)], { input: `${lines.join('\n')}\n` })
  const verdicts = output.trimEnd().split('\n').map(parseVerdict)
  if (verdicts.length !== probes.length) throw new Error(`${verdicts.length} verdicts for ${probes.length} probes`)
  return verdicts
}

function takeSourcePort(netns: string): number {
  const port = nextSourcePort.get(netns) ?? FIRST_SOURCE_PORT
  nextSourcePort.set(netns, port === LAST_SOURCE_PORT ? FIRST_SOURCE_PORT : port + 1)
  return port
}

function parseVerdict(line: string): ProbeVerdict {
  const [kind, rest = ''] = line.split(/ (.*)/, 2)
  if (kind === 'answered') return { kind, source: rest }
  if (kind === 'silent') return { kind }
  if (kind === 'refused' || kind === 'error') return { kind, why: rest }
  throw new Error(`no verdict: ${line}`)
}

/** Servers that answer probes, one for each namespace; they end with this object. */
export class ProbeServers implements AsyncDisposable {
  readonly #servers = new Map<string, ChildProcess>()

  /** Answers TCP, UDP and SCTP on `ports` in a namespace, IPv4 and IPv6. Resolves when it listens. */
  async start(netns: string, ports: readonly number[]): Promise<void> {
    const server = spawn(PROGRAM, ['serve', `/run/netns/${netns}`, ...ports.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#servers.set(netns, server)
    const ready = once(createInterface(server.stdout), 'line')
    const failed = once(server, 'exit').then(() => Promise.reject(new Error(`no probe server in ${netns}`)))
    await Promise.race([ready, failed])
    failed.catch((error: Error) => {
      if (this.#servers.get(netns) === server) throw error
    })
  }

  async stop(netns: string): Promise<void> {
    const server = this.#servers.get(netns)
    if (server === undefined) return
    this.#servers.delete(netns)
    if (server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill('SIGKILL')
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.keys()].map(async (netns) => this.stop(netns)))
  }
}

/** What a stream lost. */
export interface StreamReport {
  readonly sent: number
  readonly answered: number
  readonly duplicates: number
  readonly errors: number
  readonly longestGapMs: number
  /** First and last number of each run of packets that no answer came to; the first twenty. */
  readonly lost: readonly (readonly [number, number])[]
}

/** Numbered datagrams to a probe server, at a steady pace; each is to come back. */
export class ProbeStream {
  readonly #child: ChildProcess
  readonly #output: Promise<string>

  /** @param options.port one that a probe server in the target's namespace answers on */
  constructor(options: { netns: string; address: string; port: number; packetsPerSecond: number }) {
    const { netns, address, port, packetsPerSecond } = options
    const source = address.includes(':') ? '::' : '0.0.0.0'
    const args = [`/run/netns/${netns}`, source, String(takeSourcePort(netns)), address, String(port)]
    this.#child = spawn(PROGRAM, ['stream', ...args, String(packetsPerSecond)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#output = collect(this.#child)
  }

  /** Stops sending, waits for the last answers and reports. */
  async end(): Promise<StreamReport> {
    this.#child.stdin?.end()
    return JSON.parse(await this.#output) as StreamReport
  }
}

async function collect(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`a stream ended with ${code}`)
  return Buffer.concat(chunks).toString('utf8')
}
