import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  ApiError,
  type ExecOptions,
  type ExecStreams,
  type KubeObject,
  type LogOptions,
  type PodRuntime,
} from '@margay/apiserver'
import type { Container } from './container.ts'
import type { Kubelet } from './kubelet.ts'
import type { PodWorker } from './pod-worker.ts'

const FOLLOW_INTERVAL_MS = 200
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TERM: 'xterm',
  HOME: '/root',
}

/** exec and logs for the API server, by what the kubelet runs. */
export class LabPodRuntime implements PodRuntime {
  readonly #kubelet: () => Kubelet | undefined

  constructor(kubelet: () => Kubelet | undefined) {
    this.#kubelet = kubelet
  }

  async *logs(pod: KubeObject, options: LogOptions, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const worker = this.#worker(pod)
    const file = worker.logFile(options.container)
    let position = await startOfTail(file, options.tailLines)
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY
    for (;;) {
      const end = await sizeOf(file)
      if (end > position) {
        for await (const chunk of createReadStream(file, { start: position, end: end - 1 })) {
          const part = (chunk as Buffer).subarray(0, left)
          left -= part.length
          yield part
          if (left <= 0) return
        }
        position = end
      }
      if (!options.follow || signal.aborted) return
      // The file is written by another program: it is looked at again, as `tail -f` does.
      await delay(FOLLOW_INTERVAL_MS, undefined, { signal }).catch(ignoreAbort)
    }
  }

  async exec(pod: KubeObject, { container, command, tty }: ExecOptions, streams: ExecStreams): Promise<number> {
    const running = this.#worker(pod).container(container)
    const argv = [...enter(running), ...(tty ? inTerminal(command) : command)]
    const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'pipe'], env: ENVIRONMENT })
    streams.signal.addEventListener('abort', () => child.kill('SIGKILL'))
    if (streams.stdin === undefined) child.stdin.end()
    else streams.stdin.pipe(child.stdin)
    // A command may end without reading what it was sent.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') child.kill('SIGKILL')
    })
    child.stdout.pipe(streams.stdout, { end: false })
    child.stderr.pipe(tty ? streams.stdout : streams.stderr, { end: false })
    const [code] = (await once(child, 'close')) as [number | null]
    return code ?? 137
  }

  #worker(pod: KubeObject): PodWorker {
    const worker = this.#kubelet()?.worker(pod.metadata.uid ?? '')
    if (worker === undefined) throw new ApiError('BadRequest', `pod ${pod.metadata.name} does not run`)
    return worker
  }
}

/** nsenter's words for "inside this container". */
function enter(container: Container | undefined): string[] {
  const pid = container?.initPid
  if (pid === undefined) throw new ApiError('BadRequest', 'the container does not run')
  return ['--target', String(pid), '--net', '--mount', '--pid', '--uts', '--ipc', '--']
}

/** util-linux's `script` gives a command a terminal and passes its exit status on. */
function inTerminal(command: readonly string[]): string[] {
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  return ['script', '--quiet', '--return', '--flush', '--command', quoted, '/dev/null']
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

/** Where the last `lines` lines begin; 0 for all. */
async function startOfTail(file: string, lines: number | undefined): Promise<number> {
  if (lines === undefined) return 0
  const size = await sizeOf(file)
  if (size === 0) return 0
  const starts: number[] = [0]
  let at = 0
  for await (const chunk of createReadStream(file)) {
    for (const octet of chunk as Buffer) {
      at++
      if (octet === 0x0a && at < size) starts.push(at)
    }
  }
  return lines === 0 ? size : (starts.at(-lines) ?? 0)
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error
}
