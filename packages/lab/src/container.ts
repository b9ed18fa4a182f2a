import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { programOf } from './images.ts'
import type { LabPod } from './lab-pod.ts'

/** Where a container lives. */
export interface ContainerPlace {
  readonly netns: string
  readonly hostname: string
  readonly resolvConf: string
  readonly hosts: string
  readonly logFile: string
}

/** Gives the container its own host name, resolv.conf and hosts file, and becomes its program. */
const UNSHARE = ['unshare', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc']
const SET_UP =
  'hostname "$1" && mount --bind "$2" /etc/resolv.conf && mount --bind "$3" /etc/hosts && shift 3 && exec "$@"'
const INIT = ['sh', '-c', SET_UP, 'sh']

const READY_TIMEOUT_MS = 10_000
const READY_POLL_MS = 20

export interface Exit {
  readonly exitCode: number
  readonly finishedAt: string
}

/** A container: a process of this machine in namespaces of its own (network shared within the pod). */
export class Container {
  readonly startedAt = new Date().toISOString().replace(/\.\d+/, '')
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  readonly #isIdle: boolean
  readonly #listensOn: number | undefined

  constructor(spec: LabPod['spec']['containers'][number], place: ContainerPlace) {
    const { argv, note, listensOn } = programOf(spec)
    this.#listensOn = listensOn
    this.#isIdle = argv[0] === 'sleep'
    const log = openSync(place.logFile, 'a', 0o600)
    if (note !== undefined) writeSync(log, `${note}\n`)
    const environment = Object.fromEntries((spec.env ?? []).map(({ name, value }) => [name, value ?? '']))
    this.#process = spawn(
      'nsenter',
      [`--net=/run/netns/${place.netns}`, ...UNSHARE, ...INIT, place.hostname, place.resolvConf, place.hosts, ...argv],
      {
        stdio: ['ignore', log, log],
        env: {
          PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          HOSTNAME: place.hostname,
          ...environment,
        },
      },
    )
    closeSync(log)
    this.exited = this.#waitForExit()
  }

  /** The process that is 1 in its own namespace; undefined when it is not there (yet, or any more). */
  get initPid(): number | undefined {
    const { pid } = this.#process
    if (pid === undefined || this.#process.exitCode !== null) return undefined
    const child = readProc(`/proc/${pid}/task/${pid}/children`).trim().split(' ')[0]
    return child === undefined || child === '' ? undefined : Number(child)
  }

  /** Waits until a server of the lab's own listens; any other container is ready when it runs. */
  async ready(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS
    while (this.#listensOn !== undefined && performance.now() < deadline && this.#process.exitCode === null) {
      if (this.#isListening(this.#listensOn)) return
      // Nobody tells that a socket has begun to listen.
      await delay(READY_POLL_MS)
    }
  }

  /** Looks for the port in state LISTEN (0A) among the pod's IPv6 sockets, where the lab's servers are. */
  #isListening(port: number): boolean {
    const init = this.initPid
    if (init === undefined) return false
    const hex = port.toString(16).toUpperCase().padStart(4, '0')
    return new RegExp(`^ *\\d+: [0-9A-F]{32}:${hex} [0-9A-F]+:[0-9A-F]+ 0A `, 'm').test(
      readProc(`/proc/${init}/net/tcp6`),
    )
  }

  /** SIGTERM, and SIGKILL for what is still there after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    const init = this.initPid
    if (init !== undefined && !this.#isIdle && graceMs > 0) {
      process.kill(init, 'SIGTERM')
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), graceMs)
      await this.exited
      clearTimeout(timer)
      return
    }
    // The end of `unshare --kill-child` is the end of all in the container.
    this.#process.kill('SIGKILL')
    await this.exited
  }

  async #waitForExit(): Promise<Exit> {
    const [code, signal] = (await once(this.#process, 'close').catch(() => [127, null])) as [
      number | null,
      string | null,
    ]
    return {
      exitCode: code ?? (signal === 'SIGKILL' ? 137 : 143),
      finishedAt: new Date().toISOString().replace(/\.\d+/, ''),
    }
  }
}

/** A file of a process that may end at any moment: empty when it has. */
function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}
