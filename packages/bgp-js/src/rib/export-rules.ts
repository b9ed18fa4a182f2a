import type { Family } from '@margay/net'
import { ipv4Text } from '../wire/ip-text.ts'
import { type AsPathSegment, type PathAttributes, WellKnownCommunity } from '../wire/path-attributes.ts'
import { familyOfKey } from '../wire/prefix-key.ts'
import type { AcceptedPath, PathSource } from './path.ts'
import { type PolicyPeer, type RoutePolicy, RouteView } from './policy.ts'

/** The peer that routes are made for, as far as they depend on it. */
export interface ExportTarget {
  /** Peer address. */
  readonly id: string
  readonly kind: 'external' | 'internal'
  readonly localAsn: number
  readonly peer: PolicyPeer
  readonly client: boolean
  readonly clusterId: string
  /** `true`: for routes of our own and from external peers; `force`: reflected ones too. */
  readonly nextHopSelf: boolean | 'force'
  readonly nextHopUnchanged: boolean
  /** Our own address for each family, as the peer can reach it. */
  readonly ownNextHop: Readonly<Partial<Record<Family, string>>>
  readonly defaultLocalPref: number
  /** RFC 8212: an external peer without an export policy gets nothing. */
  readonly refuseAll: boolean
  readonly policy: RoutePolicy | undefined
}

/** Why a best path is not sent to a peer. */
export type ExportRefusal =
  | 'cameFromPeer'
  | 'internalToInternal'
  | 'noAdvertise'
  | 'noExport'
  | 'noPolicy'
  | 'policy'
  | 'nextHopIsPeer'
  | 'noOwnNextHop'

const UNSPECIFIED: readonly string[] = ['0.0.0.0', '::']

/**
 * Makes what peers are sent out of best paths (RFC 4271 §5, §9.1.3, RFC 4456 §8). Holds a memo per attribute object, so
 * that prefixes which share attributes share the result.
 */
export class RouteExporter {
  readonly target: ExportTarget
  readonly #beforePolicy = new WeakMap<PathAttributes, PathAttributes>()
  readonly #outgoing = new WeakMap<PathSource, WeakMap<PathAttributes, PathAttributes | ExportRefusal>>()

  constructor(target: ExportTarget) {
    this.target = target
  }

  /** @returns attributes to send, or why nothing is sent */
  export(path: AcceptedPath): PathAttributes | ExportRefusal {
    const refused = this.#refuse(path.source, path.attributes)
    if (refused !== undefined) return refused
    let attributes = this.#withoutForeignMed(path)
    if (this.target.policy !== undefined) {
      const view = new RouteView(path.key, attributes, path.source)
      const allowed = this.target.policy(view, this.target.peer)
      if (allowed === undefined) return 'policy'
      attributes = allowed.attributes
    }
    return this.#outgoingFor(path, attributes)
  }

  #refuse(source: PathSource, attributes: PathAttributes): ExportRefusal | undefined {
    const { target } = this
    if (source.id === target.id) return 'cameFromPeer'
    if (source.kind === 'internal' && target.kind === 'internal' && !source.client && !target.client) {
      return 'internalToInternal'
    }
    if (target.refuseAll) return 'noPolicy'
    const { communities } = attributes
    if (communities === undefined) return undefined
    if (communities.includes(WellKnownCommunity.NoAdvertise)) return 'noAdvertise'
    const stays =
      communities.includes(WellKnownCommunity.NoExport) || communities.includes(WellKnownCommunity.NoExportSubconfed)
    return stays && target.kind === 'external' ? 'noExport' : undefined
  }

  /** RFC 4271 §5.1.4: a neighbouring AS's MED goes no further than our own AS; policy may set another. */
  #withoutForeignMed(path: AcceptedPath): PathAttributes {
    const { attributes, source } = path
    if (this.target.kind === 'internal' || source.kind === 'local' || attributes.med === undefined) return attributes
    let stripped = this.#beforePolicy.get(attributes)
    if (stripped === undefined) {
      const { med: _, ...rest } = attributes
      stripped = rest
      this.#beforePolicy.set(attributes, stripped)
    }
    return stripped
  }

  #outgoingFor(path: AcceptedPath, attributes: PathAttributes): PathAttributes | ExportRefusal {
    let memo = this.#outgoing.get(path.source)
    if (memo === undefined) {
      memo = new WeakMap()
      this.#outgoing.set(path.source, memo)
    }
    let outgoing = memo.get(attributes)
    if (outgoing === undefined) {
      outgoing = this.#transform(path, attributes)
      memo.set(attributes, outgoing)
    }
    return outgoing
  }

  #transform(path: AcceptedPath, attributes: PathAttributes): PathAttributes | ExportRefusal {
    const { target } = this
    const nextHop = this.#nextHop(path, attributes)
    if (nextHop === undefined) return 'noOwnNextHop'
    if (nextHop === target.id) return 'nextHopIsPeer'
    const { nextHopLinkLocal: _, localPref, originatorId, clusterList, ...rest } = attributes
    if (target.kind === 'external') {
      return { ...rest, nextHop, asPath: prependAs(attributes.asPath, target.localAsn) }
    }
    const outgoing = { ...rest, nextHop, localPref: localPref ?? target.defaultLocalPref }
    if (path.source.kind !== 'internal') return outgoing
    return {
      ...outgoing,
      originatorId: originatorId ?? ipv4Text(path.source.routerId),
      clusterList: [target.clusterId, ...(clusterList ?? [])],
    }
  }

  /** RFC 4271 §5.1.3. */
  #nextHop(path: AcceptedPath, attributes: PathAttributes): string | undefined {
    const { target } = this
    const own = target.ownNextHop[familyOfKey(path.key)]
    if (UNSPECIFIED.includes(attributes.nextHop)) return own
    if (target.nextHopSelf === 'force') return own
    if (target.nextHopSelf && path.source.kind !== 'internal') return own
    if (target.kind === 'internal' || target.nextHopUnchanged) return attributes.nextHop
    return own
  }
}

function prependAs(path: readonly AsPathSegment[], asn: number): AsPathSegment[] {
  const first = path[0]
  if (first?.type === 'sequence' && first.asns.length < 255) {
    return [{ type: 'sequence', asns: [asn, ...first.asns] }, ...path.slice(1)]
  }
  return [{ type: 'sequence', asns: [asn] }, ...path]
}
