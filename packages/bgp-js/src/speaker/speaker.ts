import type { Socket } from 'node:net'
import type { Family } from '@margay/net'
import { BgpError } from '../errors.ts'
import { canonicalAddress } from '../peer-address.ts'
import type { DecisionRules } from '../rib/decision.ts'
import { LocRib } from '../rib/loc-rib.ts'
import { LocRibSubscription } from '../rib/loc-rib-subscription.ts'
import type { OriginateAttributes } from '../rib/route-attributes.ts'
import { FAMILIES } from '../wire/address-family.ts'
import { shutdownData } from '../wire/messages/notification.ts'
import { CeaseSubcode, NotificationCode } from '../wire/notification-names.ts'
import { prefixText } from '../wire/prefix-key.ts'
import { refuse } from './accept-guard.ts'
import type { MonitoredSpeaker } from './bmp-monitor.ts'
import type { PeerConfig, ResolvedPeer, ResolvedSpeaker, SpeakerConfig } from './config.ts'
import { configurationChange } from './configuration-change.ts'
import { connectedInterface } from './connected-interface.ts'
import { type Connection, plainAddress } from './connection.ts'
import type { SpeakerContext, SpeakerEvent } from './context.ts'
import { Dialer } from './dialer.ts'
import { DynamicNeighbors } from './dynamic-neighbors.ts'
import { Listeners } from './listeners.ts'
import { countMemory, type MemoryCounts } from './memory-counts.ts'
import { dumpTables } from './mrt-dump.ts'
import { newObservers } from './observers.ts'
import { OriginValidation } from './origin-validation.ts'
import { type OriginatedRoute, OriginatedRoutes } from './originated-routes.ts'
import { Peer } from './peer.ts'
import type { PeerObserver } from './peer-observer.ts'
import { type Log, type SpeakerPorts, silentLog, systemClock } from './ports.ts'
import { walkPrefixes } from './prefix-walk.ts'
import { RestartDeferral } from './restart-deferral.ts'
import type { RouteExplanation } from './route-explanation.ts'
import type { RoutesQuery, RoutesView } from './routes-view.ts'
import { type PeerDetail, SpeakerViews } from './speaker-views.ts'
import { SpentPeers } from './spent-peers.ts'
import type { PeerStatus } from './status.ts'
import { StrangerLog } from './stranger-log.ts'
import { UpdateGroups } from './update-groups.ts'
import { parsePeerConfig, parseSpeakerConfig } from './validate-config.ts'
import { WorkLoop } from './work-loop.ts'

/** How `stop` ends sessions. */
export interface StopOptions {
  /** Close without a NOTIFICATION: peers with graceful restart keep our routes for the process that comes next. */
  readonly graceful?: boolean
  /** Shutdown text for the peers (RFC 9003). */
  readonly text?: string
}

/** A BGP speaker. Make one with `createSpeaker`. */
export class Speaker {
  #config: ResolvedSpeaker
  readonly #ports: SpeakerPorts
  readonly #log: Log
  readonly #context: SpeakerContext
  readonly #locRib: LocRib
  readonly #originated: OriginatedRoutes
  readonly #peers = new Map<string, Peer>()
  readonly #dynamic: DynamicNeighbors
  readonly #spent: SpentPeers
  readonly #strangers: StrangerLog
  /** Ends of the watches of `interface` peers. */
  readonly #watches = new Map<string, () => void>()
  readonly #listeners: Listeners
  readonly #subscriptions = new Set<LocRibSubscription>()
  readonly #eventListeners = new Set<(event: SpeakerEvent) => void>()
  readonly #connections = new Set<Connection>()
  /** Families whose first selection after a restart is under way. */
  readonly #selecting = new Set<Family>()
  #running = false
  readonly #observers: PeerObserver[] = []
  /** For endpoints that show more than the API does. */
  readonly views: SpeakerViews
  readonly #validation: OriginValidation | undefined
  #drained: boolean

  /** @throws {BgpConfigError} naming every bad field */
  constructor(config: SpeakerConfig, ports: SpeakerPorts = {}) {
    this.#config = parseSpeakerConfig(config, offers(ports))
    this.#drained = this.#config.drain
    this.#ports = ports
    this.#log = ports.log ?? silentLog
    this.#listeners = new Listeners(ports.socketOptions, this.#log)
    this.#locRib = new LocRib(this.#decisionRules(), {
      prefixChanged: (family, prefix, bestChanged) => this.#prefixChanged(family, prefix, bestChanged),
    })
    this.#validation = this.#newValidation()
    this.#context = this.#newContext()
    this.views = new SpeakerViews(this.#context, this.#peers, this.#validation)
    this.#observers.push(...newObservers(this.#config, this.#ports, this.#monitored()))
    this.#originated = new OriginatedRoutes(this.#locRib, this.#config)
    this.#dynamic = new DynamicNeighbors(this.#config.dynamicNeighbors)
    this.#strangers = new StrangerLog(this.#context.clock, this.#log)
    this.#spent = new SpentPeers(this.#context.clock, (peer) => this.removePeer(peer.config.address))
    for (const peer of this.#config.neighbors) this.#newPeer(peer)
    for (const prefix of this.#config.networks) this.#originated.originate({ prefix })
  }

  get asn(): number {
    return this.#config.asn
  }

  get routerId(): string {
    return this.#config.routerId
  }

  /**
   * Starts to listen and to dial.
   * @returns the addresses it listens on @throws when one can't be bound
   */
  async start(): Promise<{ address: string; port: number }[]> {
    if (this.#config.gracefulRestart.restarting) this.#beginRestart()
    let bound: { address: string; port: number }[]
    try {
      bound = await this.#listeners.start(this.#config.listen, (socket) => this.#accept(socket))
      for (const peer of this.#peers.values()) this.#applyToListeners(peer)
      for (const options of this.#dynamic.socketOptions()) this.#listeners.set(options)
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#running = true
    this.#validation?.start()
    for (const observer of this.#observers) observer.start?.()
    for (const peer of this.#peers.values()) this.#startPeer(peer)
    return bound
  }

  /** Ends every session and listener; resolves when the connections are closed, after a second at most. */
  async stop(options: StopOptions = {}): Promise<void> {
    this.#running = false
    this.#context.restart.cancel()
    const data = options.text === undefined ? undefined : shutdownData(options.text)
    const notification = {
      code: NotificationCode.Cease,
      subcode: CeaseSubcode.AdministrativeShutdown,
      ...(data === undefined ? {} : { data }),
    }
    for (const unwatch of this.#watches.values()) unwatch()
    this.#watches.clear()
    this.#spent.close()
    for (const peer of this.#peers.values()) {
      if (options.graceful === true) peer.abandon()
      else peer.stop(notification)
      peer.routes.stale.close()
    }
    for (const observer of this.#observers) observer.close?.()
    this.#validation?.stop()
    for (const subscription of this.#subscriptions) subscription.close()
    await this.#listeners.close()
    await Promise.all([...this.#connections].map(async (connection) => connection.closed))
  }

  /** @throws {BgpConfigError} @throws {BgpError} BGP_DUPLICATE_PEER */
  addPeer(config: PeerConfig): void {
    this.#addPeer(this.#parsePeer(config))
  }

  /** Ends the session (Cease/3) and forgets the peer and its routes. @returns whether it was there */
  removePeer(address: string): boolean {
    const peer = this.#peers.get(canonicalAddress(address) ?? address)
    if (peer === undefined) return false
    const key = peer.config.address
    this.#peers.delete(key)
    this.#watches.get(key)?.()
    this.#watches.delete(key)
    // A key by prefix stays for the others.
    if (!this.#dynamic.has(key)) this.#clearListeners(peer)
    this.#dynamic.remove(key)
    this.#spent.forget(peer)
    peer.remove()
    return true
  }

  /**
   * Gives a peer a new configuration. Only what OPEN carries costs the session; timers, keys, limits and policies apply
   * to the running one.
   * @throws {BgpConfigError} @throws {BgpError} BGP_UNKNOWN_PEER
   */
  updatePeer(config: PeerConfig): void {
    this.#updatePeer(this.#parsePeer(config))
  }

  /**
   * Takes another configuration as a whole. Neighbors come, go and change as with {@link addPeer}, {@link removePeer} and
   * {@link updatePeer}; networks and `drain` follow too. Peers and prefixes that the API added stay.
   *
   * @throws {BgpConfigError} naming every bad field, or every changed one that needs a new speaker; nothing changed then
   */
  reconfigure(config: SpeakerConfig): void {
    const next = parseSpeakerConfig(config, offers(this.#ports))
    const before = this.#config
    const { removed, changed, added, withdrawn, originated } = configurationChange(before, next)
    this.#config = next
    for (const address of removed) this.removePeer(address)
    for (const peer of [...changed, ...added]) {
      // One that came unlisted is listed now, and gets all of its settings from there.
      if (this.#dynamic.has(peer.address)) this.removePeer(peer.address)
      if (this.#peers.has(peer.address)) this.#updatePeer(peer)
      else this.#addPeer(peer)
    }
    for (const prefix of withdrawn) this.#originated.withdraw(prefix)
    for (const prefix of originated) this.#originated.originate({ prefix })
    if (next.drain !== before.drain) this.#setDrained(next.drain)
  }

  /** Asks a peer for its routes again. @throws {BgpError} BGP_UNKNOWN_PEER @returns whether it can be asked */
  requestRefresh(address: string): boolean {
    return this.#peer(address).requestRefresh()
  }

  /** Takes this node out of the way softly (RFC 8326): until {@link undrain}, what is announced is a last resort. */
  drain(): void {
    this.#setDrained(true)
  }

  undrain(): void {
    this.#setDrained(false)
  }

  /** Lets a peer up again that its `maxPrefixes` keeps down. @throws {BgpError} BGP_UNKNOWN_PEER */
  clearPeer(address: string): void {
    this.#peer(address).clear()
  }

  /** BFD lost the peer: ends its session (Cease/10, RFC 9384) until {@link bfdUp}. @throws {BgpError} */
  bfdDown(address: string, reason: string): void {
    this.#peer(address).bfdDown(reason)
  }

  /** @throws {BgpError} BGP_UNKNOWN_PEER */
  bfdUp(address: string): void {
    this.#peer(address).bfdUp()
  }

  /** Announces a prefix as our own, or changes its attributes. @throws {AddressError} @throws {RangeError} */
  originate(prefix: string, attributes: OriginateAttributes = {}): void {
    this.#originated.originate({ prefix, attributes })
  }

  /** Takes back a prefix of our own. @returns whether it was there */
  withdraw(prefix: string): boolean {
    return this.#originated.withdraw(prefix)
  }

  /** Makes `routes` all that is originated; what stays the same is not announced again. */
  replaceOriginated(routes: Iterable<OriginatedRoute>): void {
    this.#originated.replaceAll(routes)
  }

  /** Best paths: a snapshot, then changes; see {@link LocRibSubscription}. End it with `return()`. */
  subscribe(): LocRibSubscription {
    const rib = this.#locRib
    const subscription = new LocRibSubscription(
      {
        family: (family) => rib.family(family),
        isSettled: () => FAMILIES.every((family) => this.#isSettled(family)),
      },
      (closed) => this.#subscriptions.delete(closed),
    )
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Calls `listener` for each event; it must not throw. @returns a function that ends it */
  onEvent(listener: (event: SpeakerEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Status of every peer, in order of configuration. */
  peers(): PeerStatus[] {
    return [...this.views.peers()]
  }

  /** Status of one peer, with a look at why it is not sent more; undefined when it is not there. */
  peer(address: string): PeerDetail | undefined {
    return this.views.peer(address)
  }

  /** What the tables hold. @throws {AddressError} */
  routes(query: RoutesQuery = {}): RoutesView {
    return this.views.routes(query)
  }

  /** Why an address or a prefix goes where it goes, and to whom it is advertised. @throws {AddressError} */
  explain(target: string): RouteExplanation {
    return this.views.explain(target)
  }

  /** Writes every peer's routes, as they came, into an MRT file (RFC 6396). @throws what the file system throws */
  async dumpTables(path: string): Promise<void> {
    await dumpTables(path, this.#monitored())
  }

  /** What the tables cost; for metrics. */
  memoryCounts(): MemoryCounts {
    return countMemory(this.#context, this.#peers.size)
  }

  /** The answers of `isNextHopReachable` or `nextHopMetric` are others now: chooses again. */
  nextHopsChanged(): void {
    for (const family of FAMILIES) this.#reconsider(family, () => undefined)
  }

  #addPeer(resolved: ResolvedPeer): void {
    if (this.#peers.has(resolved.address)) {
      throw new BgpError('BGP_DUPLICATE_PEER', `peer ${resolved.address} is there already`)
    }
    const peer = this.#newPeer(resolved)
    if (!this.#running) return
    this.#applyToListeners(peer)
    this.#startPeer(peer)
  }

  #updatePeer(resolved: ResolvedPeer): void {
    const peer = this.#peer(resolved.address)
    const needsNone = resolved.password === undefined && resolved.ttlSecurity === undefined
    if (this.#running && needsNone) this.#clearListeners(peer)
    peer.reconfigure(resolved)
    if (this.#running) this.#applyToListeners(peer)
  }

  #monitored(): MonitoredSpeaker {
    const { asn, routerId } = this.#config
    const { clock, log } = this.#context
    return { asn, routerId, clock, log, locRib: this.#locRib, peers: () => this.#peers.values() }
  }

  #newValidation(): OriginValidation | undefined {
    const { rpki, asn } = this.#config
    if (rpki === undefined) return undefined
    const clock = this.#ports.clock ?? systemClock
    return new OriginValidation(rpki, { asn, clock, log: this.#log }, (isAffected) => this.#revalidate(isAffected))
  }

  #revalidate(isAffected: (prefix: string) => boolean): void {
    for (const peer of this.#peers.values()) peer.routes.revalidate(isAffected)
    for (const family of FAMILIES) {
      const rib = this.#locRib.family(family)
      walkPrefixes(rib, this.#context.work, (prefix) => {
        if (!isAffected(prefixText(rib.prefixes.keyOf(prefix)))) return
        this.#context.updateGroups[family].prefixChanged(prefix, true)
      })
    }
  }

  #newContext(): SpeakerContext {
    const clock = this.#ports.clock ?? systemClock
    const work = new WorkLoop((error) => this.#log.error({ error }, 'a task failed'))
    const groups = (family: Family): UpdateGroups => new UpdateGroups(this.#locRib.family(family), work, clock)
    let identities = 0
    const validation = this.#validation
    return {
      observers: this.#observers,
      routeFacts: {
        validate: validation === undefined ? undefined : (prefix, route) => validation.validate(prefix, route),
        interfaceOf: this.#ports.interfaceOf ?? connectedInterface(clock),
      },
      config: this.#config,
      clock,
      log: this.#log,
      locRib: this.#locRib,
      dialer: new Dialer(this.#ports.socketOptions),
      restart: new RestartDeferral(clock, (family) => this.#endDeferral(family)),
      work,
      updateGroups: { 4: groups(4), 6: groups(6) },
      newIdentity: () => `#${++identities}`,
      isSettled: (family) => this.#isSettled(family),
      emit: (event) => {
        for (const listener of this.#eventListeners) listener(event)
      },
      track: (connection) => {
        this.#connections.add(connection)
        void connection.closed.then(() => this.#connections.delete(connection))
      },
    }
  }

  #decisionRules(): DecisionRules {
    const { isNextHopReachable, nextHopMetric } = this.#ports
    const { multipath, alwaysCompareMed, defaultLocalPref } = this.#config
    return {
      multipath,
      alwaysCompareMed,
      defaultLocalPref,
      nextHopMetric: (nextHop) => {
        if (isNextHopReachable !== undefined && !isNextHopReachable(nextHop)) return undefined
        return nextHopMetric?.(nextHop) ?? 0
      },
    }
  }

  #beginRestart(): void {
    for (const family of FAMILIES) this.#locRib.family(family).defer()
    const expected = [...this.#peers.values()].filter((peer) => !peer.config.adminDown && peer.config.gracefulRestart)
    const { restartTimeSeconds } = this.#config.gracefulRestart
    this.#context.restart.begin(
      expected.map(({ config: { address, families } }) => ({
        id: address,
        families: families.map((name) => (name === 'ipv4' ? 4 : 6)),
      })),
      restartTimeSeconds,
    )
  }

  /** Everybody we wait for has spoken: chooses among what was gathered, then announces it. */
  #endDeferral(family: Family): void {
    this.#locRib.family(family).undefer()
    this.#selecting.add(family)
    this.#reconsider(family, () => {
      this.#selecting.delete(family)
      for (const peer of this.#peers.values()) peer.startSending(family)
      for (const subscription of this.#subscriptions) subscription.settled()
    })
  }

  #isSettled(family: Family): boolean {
    return !this.#selecting.has(family) && !this.#locRib.family(family).isDeferred
  }

  #reconsider(family: Family, onDone: () => void): void {
    const rib = this.#locRib.family(family)
    walkPrefixes(rib, this.#context.work, (prefix) => rib.reconsider(prefix), onDone)
  }

  #prefixChanged(family: Family, prefix: number, bestChanged: boolean): void {
    this.#context.updateGroups[family].prefixChanged(prefix, bestChanged)
    if (!bestChanged) return
    for (const subscription of this.#subscriptions) subscription.changed(family, prefix)
  }

  #peer(address: string): Peer {
    const peer = this.#peers.get(canonicalAddress(address) ?? address)
    if (peer === undefined) throw new BgpError('BGP_UNKNOWN_PEER', `no peer ${address}`)
    return peer
  }

  #newPeer(config: ResolvedPeer): Peer {
    const peer = new Peer(this.#context, config, (changed) => {
      if (this.#dynamic.has(changed.config.address)) this.#spent.changed(changed)
    })
    if (this.#drained) peer.drain(true)
    this.#peers.set(config.address, peer)
    return peer
  }

  #startPeer(peer: Peer): void {
    const { neighborDiscovery } = this.#ports
    const name = peer.config.interface
    peer.start()
    if (name === undefined || neighborDiscovery === undefined) return
    this.#watches.set(
      name,
      neighborDiscovery.watch(name, (address) => {
        this.#clearListeners(peer)
        peer.neighborFound(address)
        this.#applyToListeners(peer)
      }),
    )
  }

  #setDrained(drained: boolean): void {
    this.#drained = drained
    for (const peer of this.#peers.values()) peer.drain(drained)
  }

  /** Keys and hop limits of incoming connections belong to the listening socket. */
  #applyToListeners(peer: Peer): void {
    const options = peer.socketOptions()
    if (options !== undefined) this.#listeners.set(options)
  }

  #clearListeners(peer: Peer): void {
    const options = peer.socketOptions()
    if (options === undefined) return
    this.#listeners.set({ peerAddress: options.peerAddress, password: undefined, ttlSecurityHops: undefined })
  }

  #accept(socket: Socket): void {
    const address = canonicalAddress(plainAddress(socket.remoteAddress ?? ''))
    const peer = address === undefined || !this.#running ? undefined : this.#peerAt(address)
    if (peer !== undefined) {
      if (this.#listeners.admit(socket, peer.socketOptions())) peer.accept(socket)
      return
    }
    refuse(socket)
    this.#strangers.refused(address)
  }

  /** The peer that `address` is: listed, at the other end of a link that is, or one that may come unlisted. */
  #peerAt(address: string): Peer | undefined {
    const listed = this.#peers.get(address)
    if (listed !== undefined) return listed
    const zone = address.split('%')[1]
    if (zone !== undefined) {
      const onLink = this.#peers.get(zone)
      return onLink?.config.interface === zone ? onLink : undefined
    }
    const config = this.#dynamic.admit(address)
    if (config === undefined) return undefined
    const peer = this.#newPeer(config)
    peer.start()
    return peer
  }

  #parsePeer(config: PeerConfig): ResolvedPeer {
    return parsePeerConfig(config, { ...offers(this.#ports), speaker: this.#config })
  }
}

const offers = (ports: SpeakerPorts): { hasSocketOptions: boolean; hasBfdSockets: boolean } => ({
  hasSocketOptions: ports.socketOptions !== undefined,
  hasBfdSockets: ports.bfdSockets !== undefined,
})

/**
 * Makes a speaker; `start()` sets it going.
 * @throws {BgpConfigError} naming every bad field at once
 */
export const createSpeaker = (config: SpeakerConfig, ports: SpeakerPorts = {}): Speaker => new Speaker(config, ports)
