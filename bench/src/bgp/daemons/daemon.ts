/** A peer of the speaker under test: it dials, the speaker waits. */
export interface BenchPeer {
  readonly address: string
  readonly asn: number
  /** A route reflector client. */
  readonly client?: boolean
  /** Nothing is announced to it. */
  readonly silent?: boolean
}

/** What the speaker under test is told, whichever it is. */
export interface BenchSetup {
  readonly address: string
  readonly asn: number
  readonly holdTime: number
  readonly peers: readonly BenchPeer[]
}

/** How one implementation is started. Its configuration says no more than the setup: accept all, pass all on. */
export interface BenchDaemon {
  readonly name: string
  /** Text of its configuration file. */
  config(setup: BenchSetup): string
  /** Its command line: a process that stays in the foreground. */
  command(configFile: string, directory: string): readonly [string, ...string[]]
}
