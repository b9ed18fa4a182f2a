import type { Readable, Writable } from 'node:stream'
import type { KubeObject } from '../object.ts'

export interface LogOptions {
  container: string
  follow: boolean
  previous: boolean
  timestamps: boolean
  tailLines: number | undefined
  sinceSeconds: number | undefined
  /** RFC 3339. */
  sinceTime: string | undefined
  limitBytes: number | undefined
}

export interface ExecOptions {
  container: string
  command: string[]
  tty: boolean
}

export interface ExecStreams {
  /** What the client sends; undefined when it did not ask for stdin. Ends when the client closes its side. */
  stdin: Readable | undefined
  stdout: Writable
  /** With a terminal, everything goes to stdout. */
  stderr: Writable
  /** Calls `listener` with the size of the client's terminal, at the start and whenever it changes. */
  onResize: (listener: (size: { columns: number; rows: number }) => void) => void
  /** Aborted when the client goes away. */
  signal: AbortSignal
}

/** How the embedder runs what the API server cannot: containers. Errors thrown here reach the client as Status. */
export interface PodRuntime {
  /** The log of a container. */
  logs(pod: KubeObject, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array | string>
  /** Runs a command; resolves with its exit status once its output has been written. */
  exec(pod: KubeObject, options: ExecOptions, streams: ExecStreams): Promise<number>
  /** Joins the main process of a container; without it attach answers 501. */
  attach?(pod: KubeObject, options: Omit<ExecOptions, 'command'>, streams: ExecStreams): Promise<number>
}
