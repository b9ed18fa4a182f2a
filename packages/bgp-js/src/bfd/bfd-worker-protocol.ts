import type { BfdDiagnostic, BfdDiscardReason, BfdState } from './bfd-packet.ts'
import type { BfdTimers } from './bfd-session.ts'

/** A change of a session's state, or the other end's going AdminDown and coming back. */
export interface BfdStateChange {
  readonly state: BfdState
  /** Why, as this end sees it. */
  readonly diagnostic: BfdDiagnostic
  /** `AdminDown`: the other end was taken down on purpose, which is no failure of the path (RFC 5882 §3.2). */
  readonly remoteState: BfdState
  /** Milliseconds since 1970, when it happened and not when it was told. */
  readonly at: number
}

/** Plain data about one session. */
export interface BfdSessionStatus {
  readonly id: number
  readonly local: string
  readonly remote: string
  readonly interface: string | undefined
  readonly multihop: boolean
  readonly state: BfdState
  readonly remoteState: BfdState
  readonly localDiscriminator: number
  readonly remoteDiscriminator: number
  /** Why the state last changed, and what the other end said of its own last change. */
  readonly diagnostic: BfdDiagnostic
  readonly remoteDiagnostic: BfdDiagnostic
  /** Agreed time between our packets, and the silence that ends the session. */
  readonly transmitIntervalMs: number
  readonly detectionTimeMs: number
  readonly lastStateChangeAt: number | undefined
  /** Times the session was up and is not any more. */
  readonly flaps: number
  readonly received: number
  readonly sent: number
  /** Packets that the kernel did not take. */
  readonly sendErrors: number
}

/** Why packets were thrown away, with those that had no session. */
export type BfdDiscards = Readonly<Record<BfdDiscardReason | 'unknownDiscriminator' | 'unknownPeer', number>>

export interface BfdWorkerStatus {
  readonly sessions: readonly BfdSessionStatus[]
  readonly discarded: BfdDiscards
}

/** A session as the worker is told of it. */
export interface BfdSessionOrder extends BfdTimers {
  readonly id: number
  readonly local: string
  readonly remote: string
  readonly interface: string | undefined
  readonly multihop: boolean
  readonly passive: boolean
  /** Socket that packets leave by, with a source port of its own. */
  readonly sendFd: number
  /** Which socket packets come in by; its descriptor the first time it is named. */
  readonly receiver: string
  readonly receiveFd: number | undefined
}

/** What the main thread tells the worker. */
export type BfdCommand =
  | { readonly do: 'add'; readonly order: BfdSessionOrder }
  | { readonly do: 'configure'; readonly id: number; readonly timers: BfdTimers }
  | { readonly do: 'remove'; readonly id: number }
  | { readonly do: 'status'; readonly question: number }
  | { readonly do: 'close' }

/** What the worker tells the main thread. */
export type BfdReport =
  /** `threadId`: as the kernel counts them; undefined where there is no /proc. */
  | { readonly kind: 'started'; readonly threadId: number | undefined }
  | { readonly kind: 'state'; readonly id: number; readonly change: BfdStateChange }
  | { readonly kind: 'status'; readonly question: number; readonly status: BfdWorkerStatus }
