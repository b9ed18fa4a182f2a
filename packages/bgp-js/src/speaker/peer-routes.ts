import { Address, type Family } from '@margay/net'
import type { Negotiated } from '../fsm/negotiation.ts'
import { AdjRibIn, type ImportVerdict } from '../rib/adj-rib-in.ts'
import { AdjRibOut } from '../rib/adj-rib-out.ts'
import { type ExportRefusal, RouteExporter } from '../rib/export-rules.ts'
import { type ImportContext, refuseImport } from '../rib/import-rules.ts'
import type { PathSource } from '../rib/path.ts'
import {
  compilePolicy,
  type Policy,
  type PolicyPeer,
  type PrefixListPolicy,
  type RoutePolicy,
  RouteView,
} from '../rib/policy.ts'
import { FAMILIES, familyName } from '../wire/address-family.ts'
import { ipv4Value } from '../wire/ip-text.ts'
import { encodeAnnouncements, encodeEndOfRib, encodeWithdrawals } from '../wire/messages/update.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { familyOfKey, type PrefixKey, prefixText } from '../wire/prefix-key.ts'
import type { RouteUpdate } from '../wire/resolve-update.ts'
import type { ResolvedPeer } from './config.ts'
import type { SpeakerContext } from './context.ts'
import type { Session, SessionEnd } from './session.ts'
import { StaleRoutes } from './stale-routes.ts'
import type { SlicedTask } from './work-loop.ts'

/** Prefixes that one slice of sending looks at. */
const EXPORT_SLICE = 512
const REIMPORT_SLICE = 256

/** Fixed for one Established session. */
interface ActiveSession {
  readonly session: Session
  readonly negotiated: Negotiated
  readonly importContext: ImportContext
  exporter: RouteExporter
}

/** The routes of one peer: what it sent, what it is sent, and both policies. */
export class PeerRoutes implements SlicedTask {
  readonly adjRibIn: AdjRibIn
  readonly stale: StaleRoutes
  readonly #context: SpeakerContext
  readonly #out: Record<Family, AdjRibOut> = { 4: new AdjRibOut(4), 6: new AdjRibOut(6) }
  #config: ResolvedPeer
  #importPolicy: RoutePolicy | undefined
  #active: ActiveSession | undefined

  constructor(context: SpeakerContext, config: ResolvedPeer) {
    this.#context = context
    this.#config = config
    this.#importPolicy = this.#guarded(config.import, 'import')
    this.adjRibIn = new AdjRibIn(this.#source(undefined), context.locRib)
    this.stale = new StaleRoutes(context.clock, context.work, this.adjRibIn)
  }

  get #kind(): 'internal' | 'external' {
    return this.#config.asn === this.#context.config.asn ? 'internal' : 'external'
  }

  get #policyPeer(): PolicyPeer {
    const { address, asn } = this.#config
    return { address, asn, type: this.#kind === 'internal' ? 'iBGP' : 'eBGP', localAsn: this.#context.config.asn }
  }

  sessionUp(session: Session, negotiated: Negotiated): void {
    const { address, asn, allowOwnAs, enforceFirstAs } = this.#config
    const { config } = this.#context
    const localAddress = session.connection?.localAddress ?? ''
    this.#active = {
      session,
      negotiated,
      importContext: {
        localAsn: config.asn,
        peerAsn: asn,
        kind: this.#kind,
        routerId: config.routerId,
        clusterId: config.clusterId,
        localAddress,
        allowOwnAs,
        enforceFirstAs,
      },
      exporter: this.#newExporter(localAddress),
    }
    this.adjRibIn.source = this.#source(negotiated)
    const stalePathMs = config.gracefulRestart.stalePathSeconds * 1000
    this.stale.sessionUp(negotiated.peerGracefulRestart, negotiated.families, stalePathMs)
    this.#context.restart.peerUp(address, negotiated)
    for (const family of negotiated.families) this.startSending(family)
  }

  sessionDown(end: SessionEnd): void {
    this.#active = undefined
    this.#out[4] = new AdjRibOut(4)
    this.#out[6] = new AdjRibOut(6)
    const offer = end.negotiated.peerGracefulRestart
    this.stale.sessionDown(retainedFamilies(end), offer?.restartTimeSeconds ?? 0)
    this.#context.restart.peerGone(this.#config.address)
  }

  /** Sends the whole table of a family, once route selection for it has begun. */
  startSending(family: Family): void {
    if (this.#active?.negotiated.families.includes(family) !== true || !this.#context.isSettled(family)) return
    this.#out[family].sendAll(this.#context.locRib.keys(family))
    this.#context.work.schedule(this)
  }

  /** @returns the family that went over the prefix limit */
  receive(update: RouteUpdate): Family | undefined {
    const active = this.#active
    if (active === undefined) return undefined
    for (const problem of update.problems) {
      const fields = { peer: this.#config.address, attribute: problem.code, severity: problem.severity }
      this.#context.log.warn(fields, `malformed attribute: ${problem.message}`)
    }
    for (const { keys } of update.withdrawn) for (const key of keys) this.adjRibIn.withdraw(key)
    for (const { family, keys, attributes } of update.announced) {
      const received = this.#context.interner.intern(attributes)
      for (const key of keys) this.adjRibIn.announce(key, received, this.#judge(active, key, received))
      const limit = this.#config.maxPrefixes
      if (limit !== undefined && this.adjRibIn.counts(family).received > limit) return family
    }
    if (update.endOfRib !== undefined) {
      this.stale.endOfRib(update.endOfRib)
      this.#context.restart.endOfRib(this.#config.address, update.endOfRib)
    }
    return undefined
  }

  /** RFC 2918 §4: the peer wants a family again. */
  resend(family: Family): void {
    if (this.#active?.negotiated.families.includes(family) !== true || !this.#context.isSettled(family)) return
    this.#out[family].resendAll(this.#context.locRib.keys(family))
    this.#context.work.schedule(this)
  }

  /** LocRib has another best path for `key`. */
  bestChanged(key: PrefixKey): void {
    const active = this.#active
    const family = familyOfKey(key)
    if (active === undefined || !active.negotiated.families.includes(family)) return
    this.#out[family].markChanged(key)
    this.#context.work.schedule(this)
  }

  /** Policies and next-hop settings changed: applies them to what is there, without touching the session. */
  reconfigure(config: ResolvedPeer): void {
    this.#config = config
    this.#importPolicy = this.#guarded(config.import, 'import')
    const active = this.#active
    if (active === undefined) return
    active.exporter = this.#newExporter(active.importContext.localAddress)
    for (const family of active.negotiated.families) {
      this.#out[family].reexport(this.#context.locRib.keys(family))
      this.#reimport(active, family)
    }
    this.#context.work.schedule(this)
  }

  /** The socket has room again. */
  writable(): void {
    if (FAMILIES.some((family) => this.#out[family].hasWork)) this.#context.work.schedule(this)
  }

  /** One slice of sending. */
  run(): boolean {
    const active = this.#active
    const connection = active?.session.connection
    if (active === undefined || connection === undefined || connection.isCongested) return false
    connection.corked(() => {
      for (const family of active.negotiated.families) this.#sendSlice(active, family)
    })
    return active.negotiated.families.some((family) => this.#out[family].hasWork)
  }

  out(family: Family): AdjRibOut {
    return this.#out[family]
  }

  /** Why the best path of a prefix is not sent to this peer; undefined when it is, or there is none. */
  explainExport(key: PrefixKey): ExportRefusal | undefined {
    const best = this.#context.locRib.get(key)?.best
    const result = best === undefined ? undefined : this.#active?.exporter.export(best)
    return typeof result === 'string' ? result : undefined
  }

  #sendSlice(active: ActiveSession, family: Family): void {
    const out = this.#out[family]
    if (!out.hasWork) return
    const { session, negotiated } = active
    const batch = out.take(EXPORT_SLICE, (key) => this.#exportOf(active, key))
    const withdraw = [...batch.withdraw]
    const announcements: Uint8Array[] = []
    for (const [attributes, keys] of batch.announce) {
      const messages = encodeAnnouncements({ family, attributes, keys }, negotiated.wire, negotiated.maxOctets)
      if (messages !== undefined) announcements.push(...messages)
      else withdraw.push(...this.#tooLong(out, keys))
    }
    for (const message of encodeWithdrawals(family, withdraw, negotiated.maxOctets)) session.send(message, 'update')
    for (const message of announcements) session.send(message, 'update')
    if (batch.endOfRib) session.send(encodeEndOfRib(family), 'update')
  }

  #tooLong(out: AdjRibOut, keys: readonly PrefixKey[]): PrefixKey[] {
    const prefixes = keys.slice(0, 5).map(prefixText)
    this.#context.log.warn({ peer: this.#config.address, prefixes }, 'path attributes fit no UPDATE: not announced')
    return out.refuse(keys)
  }

  #exportOf(active: ActiveSession, key: PrefixKey): PathAttributes | undefined {
    const best = this.#context.locRib.get(key)?.best
    if (best === undefined) return undefined
    const result = active.exporter.export(best)
    return typeof result === 'string' ? undefined : result
  }

  #judge(active: ActiveSession, key: PrefixKey, received: PathAttributes): ImportVerdict {
    const refused = refuseImport(received, active.importContext)
    if (refused !== undefined) return { refused }
    if (this.#importPolicy === undefined) {
      const closed = this.#context.config.ebgpRequiresPolicy && this.#kind === 'external'
      return closed ? { refused: 'noPolicy' } : { attributes: received }
    }
    const allowed = this.#importPolicy(new RouteView(key, received, this.adjRibIn.source), this.#policyPeer)
    return allowed === undefined ? { refused: 'policy' } : { attributes: allowed.attributes }
  }

  #reimport(active: ActiveSession, family: Family): void {
    const keys = this.adjRibIn.keys(family)
    const task: SlicedTask = {
      run: () => {
        if (this.#active !== active) return false
        for (let count = 0; count < REIMPORT_SLICE; count++) {
          const next = keys.next()
          if (next.done === true) return false
          this.adjRibIn.reimport(next.value, (received) => this.#judge(active, next.value, received))
        }
        return true
      },
    }
    this.#context.work.schedule(task)
  }

  #newExporter(localAddress: string): RouteExporter {
    const { config } = this.#context
    const { address, nextHopSelf, nextHopUnchanged, routeReflectorClient } = this.#config
    const policy = this.#guarded(this.#config.export, 'export')
    return new RouteExporter({
      id: address,
      kind: this.#kind,
      localAsn: config.asn,
      peer: this.#policyPeer,
      client: routeReflectorClient,
      clusterId: config.clusterId,
      nextHopSelf,
      nextHopUnchanged,
      ownNextHop: this.#ownNextHops(localAddress),
      defaultLocalPref: config.defaultLocalPref,
      refuseAll: config.ebgpRequiresPolicy && this.#kind === 'external' && policy === undefined,
      policy,
    })
  }

  /** A policy that throws refuses the route: one bad route must not cost the session. */
  #guarded(
    policy: RoutePolicy | Policy | PrefixListPolicy | undefined,
    direction: 'import' | 'export',
  ): RoutePolicy | undefined {
    if (policy === undefined) return undefined
    const compiled = compilePolicy(policy, direction)
    return (route, peer) => {
      try {
        return compiled(route, peer)
      } catch (error) {
        this.#context.log.error({ error, peer: peer.address, prefix: route.prefix }, 'policy failed: route refused')
        return undefined
      }
    }
  }

  #ownNextHops(localAddress: string): Partial<Record<Family, string>> {
    const sessionFamily = Address.tryParse(localAddress)?.family
    const found: Partial<Record<Family, string>> = {}
    for (const family of FAMILIES) {
      const name = familyName(family)
      const own =
        this.#config.nextHop[name] ??
        (family === sessionFamily ? localAddress : undefined) ??
        this.#context.config.nextHop[name]
      if (own !== undefined) found[family] = own
    }
    return found
  }

  #source(negotiated: Negotiated | undefined): PathSource {
    const { address, asn, routeReflectorClient } = this.#config
    return {
      id: address,
      kind: this.#kind,
      asn,
      routerId: negotiated === undefined ? 0 : ipv4Value(negotiated.peerRouterId),
      addressValue: Address.parse(address).value,
      client: routeReflectorClient,
    }
  }
}

/** Families whose routes outlive the session: RFC 4724 §4.2, and RFC 8538 §4 where both ends agreed on it. */
function retainedFamilies({ event, negotiated }: SessionEnd): readonly Family[] {
  const offer = negotiated.peerGracefulRestart
  if (offer === undefined) return []
  const offered = offer.families.map((item) => item.family).filter((family) => negotiated.families.includes(family))
  if (event.type === 'TcpConnectionFails') return offered
  if (!negotiated.notificationRestart || event.type === 'ManualStop' || event.type === 'AutomaticStop') return []
  const { received } = event
  const isHardReset = received?.code === 6 && received.subcode === 9
  return isHardReset ? [] : offered
}
