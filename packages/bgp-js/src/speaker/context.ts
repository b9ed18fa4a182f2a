import type { Family } from '@margay/net'
import type { LocRib } from '../rib/loc-rib.ts'
import type { RouteFacts } from '../rib/route-view.ts'
import type { FamilyName } from '../wire/address-family.ts'
import type { ResolvedSpeaker } from './config.ts'
import type { Connection } from './connection.ts'
import type { Dialer } from './dialer.ts'
import type { PeerObserver } from './peer-observer.ts'
import type { Clock, Log } from './ports.ts'
import type { RestartDeferral } from './restart-deferral.ts'
import type { SessionError } from './session-error.ts'
import type { UpdateGroups } from './update-groups.ts'
import type { WorkLoop } from './work-loop.ts'

/** Something that happened to a session. Plain data. */
export type SpeakerEvent =
  | { readonly type: 'sessionUp'; readonly peer: string; readonly asn: number; readonly at: string }
  | {
      readonly type: 'sessionDown'
      readonly peer: string
      readonly asn: number
      readonly at: string
      readonly reason: string
      readonly error: SessionError | undefined
    }
  | {
      readonly type: 'stateChange'
      readonly peer: string
      readonly from: string
      readonly to: string
      readonly reason: string
      readonly at: string
    }
  /** Told once per crossing; what follows is for the peer's configuration to say. */
  | {
      readonly type: 'prefixLimit'
      readonly peer: string
      readonly family: FamilyName
      readonly level: 'warning' | 'exceeded'
      readonly received: number
      readonly limit: number
      readonly at: string
    }

/** What the peers of one speaker share. */
export interface SpeakerContext {
  readonly config: ResolvedSpeaker
  readonly clock: Clock
  readonly log: Log
  readonly work: WorkLoop
  readonly locRib: LocRib
  readonly updateGroups: Readonly<Record<Family, UpdateGroups>>
  readonly dialer: Dialer
  readonly restart: RestartDeferral
  readonly observers: readonly PeerObserver[]
  /** What policies may ask about a route; without `validate` where no RPKI cache is configured. */
  readonly routeFacts: RouteFacts
  /** False while route selection of the family waits for a restart to be over. */
  isSettled(family: Family): boolean
  /** A text that was never answered before. */
  newIdentity(): string
  emit(event: SpeakerEvent): void
  /** Keeps track of a connection until it is gone. */
  track(connection: Connection): void
}
