import type { Family } from '@margay/net'
import { NextHopTag } from '../policy/compile-actions.ts'
import type { CompiledPolicy } from '../policy/compile-policy.ts'
import type { PolicyPeer } from '../policy/policy-route.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import { encodeRouteAttributes, type OutgoingAttributes } from '../wire/attribute-encoder.ts'
import type { BgpRole } from '../wire/capabilities/role.ts'
import { HEADER_OCTETS } from '../wire/header.ts'
import { ipv4Text } from '../wire/ip-text.ts'
import { type PathAttributes, WellKnownCommunity } from '../wire/path-attributes.ts'
import { type LocalAs, prependAs, type RemovePrivateAs, removePrivate, withoutConfederation } from './as-path.ts'
import type { AttributeSet } from './attribute-store.ts'
import type { FamilyRib } from './loc-rib.ts'
import type { OutBlock, OutBlockStore } from './out-block.ts'
import type { PathSource, PeerKind } from './path.ts'
import { type RouteFacts, RouteView } from './route-view.ts'

/** What the routes for a peer depend on. Peers for which all of it is equal share an update group. */
export interface ExportTarget {
  readonly kind: PeerKind
  readonly localAsn: number
  readonly localAs: LocalAs | undefined
  /** AS of the whole confederation that we are a member of (RFC 5065). */
  readonly confederationId: number | undefined
  readonly client: boolean
  readonly clusterId: string
  /** `true`: for routes of our own and from external peers; `force`: reflected ones too. */
  readonly nextHopSelf: boolean | 'force'
  readonly nextHopUnchanged: boolean
  /** Our own address for each family, as the peer can reach it. */
  readonly ownNextHop: Readonly<Partial<Record<Family, string>>>
  /** Our link-local address, sent beside an IPv6 next hop of our own (RFC 2545 §3). */
  readonly ownLinkLocal: string | undefined
  readonly defaultLocalPref: number
  readonly removePrivateAs: RemovePrivateAs
  readonly role: BgpRole | undefined
  /** The peer understands LLGR_STALE (RFC 9494 §4.6). */
  readonly longLived: boolean
  /** RFC 8326: say that this session is about to go. */
  readonly drain: boolean
  /** RFC 8212: an external peer without an export policy gets nothing. */
  readonly refuseAll: boolean
  readonly wire: WireSession
  readonly maxOctets: number
}

/** Why a best path is not sent to the peers of a group. */
export type ExportRefusal =
  | 'internalToInternal'
  | 'noAdvertise'
  | 'noExport'
  | 'noPolicy'
  | 'policy'
  | 'noOwnNextHop'
  | 'onlyToCustomer'
  | 'longLivedStale'
  | 'attributesTooLong'

/** What was worked out for one attribute set from one source. */
interface Memo {
  /** Of the attribute set; a set that nobody holds any more is not kept for the sake of its result. */
  readonly serial: number
  /** The very object: a peer that came back, or another under the same index, has one of its own. */
  readonly source: PathSource
  readonly longLivedStale: boolean
  readonly refused: ExportRefusal | undefined
  /** The result where policy changes nothing or does not look at the prefix. */
  result: OutBlock | ExportRefusal | undefined
}

const UNSPECIFIED: readonly string[] = ['0.0.0.0', '::']
/** Length fields, the head of an MP attribute with two next hops, the longest prefix with its path identifier. */
const OVERHEAD_OCTETS = HEADER_OCTETS + 4 + 8 + 32 + 17 + 4

/**
 * Makes what peers are sent out of best paths (RFC 4271 §5, §9.1.3, RFC 4456 §8, RFC 5065 §4, RFC 9234 §5). Prefixes
 * that share attributes share the result.
 */
export class RouteExporter {
  readonly target: ExportTarget
  readonly #policy: CompiledPolicy | undefined
  readonly #policyPeer: PolicyPeer
  readonly #facts: RouteFacts
  readonly #rib: FamilyRib
  readonly #blocks: OutBlockStore
  /** By id of the attribute set: the latest source of each. */
  readonly #memos: (Memo | undefined)[] = []
  #lastBase: { readonly memo: Memo; readonly attributes: PathAttributes } | undefined

  constructor(
    target: ExportTarget,
    policy: {
      readonly compiled: CompiledPolicy | undefined
      readonly peer: PolicyPeer
      readonly facts?: RouteFacts
    },
    rib: FamilyRib,
    blocks: OutBlockStore,
  ) {
    this.target = target
    this.#policy = policy.compiled
    this.#policyPeer = policy.peer
    this.#facts = policy.facts ?? {}
    this.#rib = rib
    this.#blocks = blocks
  }

  /** @returns what to send, held by nobody yet, or why nothing is sent */
  export(path: number): OutBlock | ExportRefusal {
    const memo = this.#memoOf(path)
    if (memo.refused !== undefined) return memo.refused
    const policy = this.#policy
    if (isUsable(memo.result) && policy?.dependsOnPrefix !== true) return memo.result
    const base = this.#baseOf(memo, this.#rib.attributesOf(path))
    if (policy === undefined) return this.#remembered(memo, base)
    const { prefixes, paths } = this.#rib
    const route = { prefixes, prefix: paths.prefix[path] as number, source: this.#rib.sourceOf(path) }
    const view = new RouteView(route, base, this.#facts)
    const allowed = policy.evaluate(view, this.#policyPeer)
    if (allowed === undefined) {
      if (!policy.dependsOnPrefix) memo.result = 'policy'
      return 'policy'
    }
    if (allowed === base || !policy.dependsOnPrefix) return this.#remembered(memo, allowed)
    return this.#encode(memo, allowed)
  }

  #memoOf(path: number): Memo {
    const set = this.#rib.attributesOf(path)
    const source = this.#rib.sourceOf(path)
    const longLivedStale = this.#rib.isLlgrStale(path) || set.llgrStale
    const known = this.#memos[set.id]
    if (known?.serial === set.serial && known.source === source && known.longLivedStale === longLivedStale) return known
    const refused = this.#refuse(source, set.attributes, longLivedStale)
    const memo: Memo = { serial: set.serial, source, longLivedStale, refused, result: undefined }
    this.#memos[set.id] = memo
    return memo
  }

  /** As policy sees it; the last one is kept, for the prefixes that share it. */
  #baseOf(memo: Memo, set: AttributeSet): PathAttributes {
    if (this.#lastBase?.memo !== memo) {
      const attributes = this.#beforePolicy(memo.source, set.attributes, memo.longLivedStale)
      this.#lastBase = { memo, attributes }
    }
    return this.#lastBase.attributes
  }

  #remembered(memo: Memo, attributes: PathAttributes): OutBlock | ExportRefusal {
    if (isUsable(memo.result)) return memo.result
    const result = this.#encode(memo, attributes)
    memo.result = result
    return result
  }

  #refuse(source: PathSource, attributes: PathAttributes, longLivedStale: boolean): ExportRefusal | undefined {
    const { target } = this
    const reflects = source.client || target.client
    if (source.kind === 'internal' && target.kind === 'internal' && !reflects) return 'internalToInternal'
    if (target.refuseAll) return 'noPolicy'
    // RFC 9494 §4.6: those who don't know the mark would take the route for a fresh one.
    if (longLivedStale && !target.longLived) return 'longLivedStale'
    const { communities, onlyToCustomer } = attributes
    const upwards = target.role === 'customer' || target.role === 'peer' || target.role === 'rs-client'
    if (onlyToCustomer !== undefined && upwards) return 'onlyToCustomer'
    if (communities === undefined) return undefined
    if (communities.includes(WellKnownCommunity.NoAdvertise)) return 'noAdvertise'
    const isLocalOnly = communities.includes(WellKnownCommunity.NoExportSubconfed) && target.kind !== 'internal'
    const isKept = communities.includes(WellKnownCommunity.NoExport) && target.kind === 'external'
    return isLocalOnly || isKept ? 'noExport' : undefined
  }

  #beforePolicy(source: PathSource, attributes: PathAttributes, longLivedStale: boolean): PathAttributes {
    let result = attributes
    // RFC 4271 §5.1.4: a neighbouring AS's MED goes no further than our own AS; policy may set another.
    if (this.target.kind === 'external' && source.kind !== 'local' && result.med !== undefined) {
      const { med: _, ...rest } = result
      result = rest
    }
    return longLivedStale ? withCommunity(result, WellKnownCommunity.LlgrStale) : result
  }

  #encode(memo: Memo, attributes: PathAttributes): OutBlock | ExportRefusal {
    const { target } = this
    const outgoing = this.#transform(memo.source, attributes)
    if (typeof outgoing === 'string') return outgoing
    const encoded = encodeRouteAttributes(outgoing, this.#rib.family, target.wire)
    if (encoded.block.length + OVERHEAD_OCTETS > target.maxOctets) return 'attributesTooLong'
    return this.#blocks.intern(encoded, outgoing.nextHop)
  }

  #transform(source: PathSource, attributes: PathAttributes): OutgoingAttributes | ExportRefusal {
    const { target } = this
    const nextHop = this.#nextHop(source, attributes)
    if (nextHop === undefined) return 'noOwnNextHop'
    const { asPath, localPref, originatorId, clusterList } = attributes
    const isReflected = target.kind === 'internal' && source.kind === 'internal'
    const isOutside = target.kind === 'external'
    const isOwnIpv6 = nextHop === target.ownNextHop[6] && nextHop !== target.ownLinkLocal
    return {
      ...attributes,
      nextHop,
      nextHopLinkLocal: isOwnIpv6 ? target.ownLinkLocal : undefined,
      asPath: this.#path(asPath),
      communities: target.drain ? withGracefulShutdown(attributes.communities) : attributes.communities,
      localPref: isOutside ? undefined : target.drain ? 0 : (localPref ?? target.defaultLocalPref),
      originatorId: isReflected ? (originatorId ?? ipv4Text(source.routerId)) : undefined,
      clusterList: isReflected ? [target.clusterId, ...(clusterList ?? [])] : undefined,
      onlyToCustomer: isOutside ? this.#onlyToCustomer(attributes) : attributes.onlyToCustomer,
      tags: undefined,
    }
  }

  /** RFC 9234 §5, egress 1. */
  #onlyToCustomer({ onlyToCustomer }: PathAttributes): number | undefined {
    const { role, localAs, localAsn, confederationId } = this.target
    const isDownwards = role === 'provider' || role === 'peer' || role === 'rs'
    return onlyToCustomer ?? (isDownwards ? (localAs?.asn ?? confederationId ?? localAsn) : undefined)
  }

  #path(asPath: PathAttributes['asPath']): PathAttributes['asPath'] {
    const { kind, localAsn, localAs, confederationId, removePrivateAs } = this.target
    if (kind === 'internal') return asPath
    if (kind === 'confederation') return prependAs(asPath, localAsn, 'confedSequence')
    const own = confederationId ?? localAsn
    const path = removePrivate(withoutConfederation(asPath), removePrivateAs, own)
    if (localAs === undefined) return prependAs(path, own)
    return prependAs(localAs.replacesOwn ? path : prependAs(path, own), localAs.asn)
  }

  /** RFC 4271 §5.1.3. */
  #nextHop(source: PathSource, attributes: PathAttributes): string | undefined {
    const { target } = this
    const own = target.ownNextHop[this.#rib.family]
    if (UNSPECIFIED.includes(attributes.nextHop) || attributes.tags?.includes(NextHopTag.self) === true) return own
    if (attributes.tags?.includes(NextHopTag.keep) === true) return attributes.nextHop
    if (target.nextHopSelf === 'force') return own
    if (target.nextHopSelf && source.kind !== 'internal') return own
    if (target.kind !== 'external' || target.nextHopUnchanged) return attributes.nextHop
    return own
  }
}

const isUsable = (result: OutBlock | ExportRefusal | undefined): result is OutBlock | ExportRefusal =>
  result !== undefined && (typeof result === 'string' || result.isLive)

const withGracefulShutdown = (communities: readonly number[] = []): readonly number[] =>
  communities.includes(WellKnownCommunity.GracefulShutdown)
    ? communities
    : [...communities, WellKnownCommunity.GracefulShutdown]

function withCommunity<A extends Partial<PathAttributes>>(attributes: A, community: number): A {
  const communities = attributes.communities ?? []
  return communities.includes(community) ? attributes : { ...attributes, communities: [...communities, community] }
}
