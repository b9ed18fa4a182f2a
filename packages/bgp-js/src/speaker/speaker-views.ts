import type { BmpStationStatus } from '../bmp/bmp-client.ts'
import { canonicalAddress } from '../peer-address.ts'
import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import { type NotAdvertised, sampleNotAdvertised } from './advertisement.ts'
import { BfdWatch } from './bfd-watch.ts'
import { BmpMonitor } from './bmp-monitor.ts'
import type { SpeakerContext } from './context.ts'
import { countMemory } from './memory-counts.ts'
import type { OriginValidation } from './origin-validation.ts'
import type { Peer } from './peer.ts'
import { explainRoute, type RouteExplanation } from './route-explanation.ts'
import {
  type RouteCursor,
  type RouteEntry,
  type RoutesQuery,
  type RoutesView,
  viewRoutes,
  walkRoutes,
} from './routes-view.ts'
import { type PeerStatus, peerStatus, type StatusSurroundings } from './status.ts'

/** A peer's status with what takes a look into the tables. */
export interface PeerDetail extends PeerStatus {
  /** What of LocRib the peer is not sent, and why: for each family. */
  readonly notAdvertised: Readonly<Record<FamilyName, NotAdvertised>>
}

/** Sizes of the tables of one family. */
export interface TableCounts {
  /** Prefixes with a best path. */
  readonly locRib: number
  /** Prefixes that anybody has, refused ones included. */
  readonly prefixes: number
  /** Paths that peers announced, refused ones included. */
  readonly paths: number
  readonly updateGroups: number
  /** Attribute sets as peers are sent them, encoded. */
  readonly outBlocks: number
}

/** Sizes of everything. */
export interface SpeakerCounts {
  readonly attributeSets: number
  readonly tables: Readonly<Record<FamilyName, TableCounts>>
}

export type RpkiStatus = ReturnType<OriginValidation['status']>

/** What can be seen of a speaker from outside. Everything is plain data of the moment of the call. */
export class SpeakerViews {
  readonly #context: SpeakerContext
  readonly #peers: ReadonlyMap<string, Peer>
  readonly #validation: OriginValidation | undefined

  constructor(context: SpeakerContext, peers: ReadonlyMap<string, Peer>, validation: OriginValidation | undefined) {
    this.#context = context
    this.#peers = peers
    this.#validation = validation
  }

  /** In order of configuration; computed one by one, so that many may be shown in slices. */
  *peers(): Generator<PeerStatus> {
    const surroundings = this.#surroundings()
    for (const peer of this.#peers.values()) yield peerStatus(peer, surroundings)
  }

  peer(address: string): PeerDetail | undefined {
    const peer = this.#peers.get(canonicalAddress(address) ?? address)
    if (peer === undefined) return undefined
    const { locRib } = this.#context
    const [ipv4, ipv6] = [sampleNotAdvertised(peer, locRib.family(4)), sampleNotAdvertised(peer, locRib.family(6))]
    return { ...peerStatus(peer, this.#surroundings()), notAdvertised: { ipv4, ipv6 } }
  }

  /** The name that a peer has in tables, however its address is written; undefined where there is none. */
  knownAddress(address: string): string | undefined {
    return this.#peers.get(canonicalAddress(address) ?? address)?.config.address
  }

  /** Peers that are to be up, and those that are. */
  peerCounts(): { wanted: number; established: number } {
    let wanted = 0
    let established = 0
    for (const { config, session } of this.#peers.values()) {
      if (!config.adminDown) wanted++
      if (session.state === 'Established') established++
    }
    return { wanted, established }
  }

  /** @throws {AddressError} */
  routes(query: RoutesQuery): RoutesView {
    return viewRoutes(this.#tables(), query)
  }

  /** @throws {AddressError} */
  walkRoutes(query: RoutesQuery, after?: RouteCursor): Generator<RouteEntry | undefined> {
    return walkRoutes(this.#tables(), query, after)
  }

  /** @throws {AddressError} */
  explain(target: string): RouteExplanation {
    return explainRoute({ ...this.#tables(), validate: this.#context.routeFacts.validate }, target)
  }

  rpki(): RpkiStatus {
    return this.#validation?.status() ?? []
  }

  bmp(): BmpStationStatus[] {
    return this.#context.observers.filter((observer) => observer instanceof BmpMonitor).map((each) => each.status())
  }

  /** Families whose first route selection after a restart is still to come. */
  unsettled(): FamilyName[] {
    return FAMILIES.filter((family) => !this.#context.isSettled(family)).map(familyName)
  }

  counts(): SpeakerCounts {
    const { locRib, updateGroups } = this.#context
    const memory = countMemory(this.#context, this.#peers.size)
    const table = (family: 4 | 6): TableCounts => {
      const name = familyName(family)
      let paths = 0
      for (const peer of this.#peers.values()) paths += peer.routes.adjRibIn[family].counts.received
      return {
        locRib: locRib.family(family).size,
        prefixes: memory.prefixes[name],
        paths,
        updateGroups: updateGroups[family].size,
        outBlocks: memory.outBlocks[name],
      }
    }
    return { attributeSets: memory.attributeSets, tables: { ipv4: table(4), ipv6: table(6) } }
  }

  #tables(): { locRib: SpeakerContext['locRib']; peers: readonly Peer[] } {
    return { locRib: this.#context.locRib, peers: [...this.#peers.values()] }
  }

  #surroundings(): StatusSurroundings {
    const { clock, config, observers } = this.#context
    const watch = observers.find((observer) => observer instanceof BfdWatch)
    return { localAsn: config.asn, now: clock.date(), isBfdUp: (address) => watch?.isUp(address) === true }
  }
}
