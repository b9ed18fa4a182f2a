import type { BfdSocketPort } from '../bfd/bfd-service.ts'

/** A timer that runs; `cancel` of one that is over does nothing. */
export interface ClockTimer {
  cancel(): void
}

/** Time and chance, so that tests can hold both. */
export interface Clock {
  /** Milliseconds that never jump back. */
  now(): number
  /** Time of day. */
  date(): Date
  setTimeout(callback: () => void, delayMs: number): ClockTimer
  /** 0 up to 1. */
  random(): number
}

/** Takes what pino takes: fields first, then one line. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Options of a TCP socket that Node can't set. */
export interface SocketOptions {
  /** An address, or for dynamic neighbours their prefix: `10.0.0.0/8` (TCP_MD5SIG_EXT with a prefix length). */
  readonly peerAddress: string
  /** TCP MD5 signature key (RFC 2385); undefined takes one away. */
  readonly password: string | undefined
  /** GTSM (RFC 5082): send with TTL 255, drop what comes with less than 255 + 1 - hops. */
  readonly ttlSecurityHops: number | undefined
}

/** How the embedder sets socket options. Without it, peers that need them are refused. */
export interface SocketOptionsPort {
  /** A new TCP socket that is not connected; the speaker owns the descriptor from here on. */
  open(family: 4 | 6): number
  /**
   * Called for the listening socket once per such peer, for each socket before it dials, and for a live connection when
   * the options change.
   */
  apply(fd: number, options: SocketOptions): void
}

/** Finds who is at the other end of a link: the source of its router advertisements, say. */
export interface NeighborDiscoveryPort {
  /**
   * Calls `onNeighbor` with the link-local address of the neighbour, with or without zone, whenever it is another one;
   * undefined when it is gone. @returns a function that ends it
   */
  watch(interfaceName: string, onNeighbor: (address: string | undefined) => void): () => void
}

/** What the speaker asks of its surroundings; all of it has a default. */
export interface SpeakerPorts {
  readonly clock?: Clock
  readonly log?: Log
  readonly socketOptions?: SocketOptionsPort
  /** How BFD sockets are made: `linuxBfdSockets` of `@margay/sockets`. Without it peers with `bfd` are refused. */
  readonly bfdSockets?: BfdSocketPort
  /** Lets `interface` peers dial; without it they wait to be dialed. */
  readonly neighborDiscovery?: NeighborDiscoveryPort
  /** Whether there is a way to a next hop; default: always. Call `nextHopsChanged()` when answers change. */
  readonly isNextHopReachable?: (nextHop: string) => boolean
  /** The interface by which a next hop is reached, for policies; default: the one whose network it is in. */
  readonly interfaceOf?: (nextHop: string) => string | undefined
  /** Cost of the way, for the decision process; default 0. */
  readonly nextHopMetric?: (nextHop: string) => number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  setTimeout: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  random: () => Math.random(),
}

const ignore = (): void => undefined
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
