import type { ConfigReader } from '../config-reader.ts'
import type { PeerAsRule } from '../fsm/negotiation.ts'
import { kindOfAsn } from '../fsm/peer-kind.ts'
import { isInterfaceName, parseZoned } from '../peer-address.ts'
import { readPolicy } from '../policy/read-policy.ts'
import type { RemovePrivateAs } from '../rib/as-path.ts'
import type { FamilyName } from '../wire/address-family.ts'
import type { BgpRole } from '../wire/capabilities/role.ts'
import type {
  BfdConfig,
  ResolvedDynamicNeighbors,
  ResolvedPeer,
  ResolvedSession,
  ResolvedSpeaker,
  SessionConfig,
} from './config.ts'
import { readMaxPrefixes } from './read-max-prefixes.ts'

/** What a peer's configuration is read against. */
export interface ConfigSurroundings {
  readonly hasSocketOptions: boolean
  readonly hasBfdSockets: boolean
  readonly speaker: Pick<ResolvedSpeaker, 'asn' | 'confederation'>
}

export const MAX_ASN = 0xffffffff
/** Most paths of a prefix that ADD-PATH is asked for: all. */
const ALL_PATHS = 0xffffffff
/** TCP_MD5SIG_MAXKEYLEN of Linux. */
const MAX_PASSWORD_OCTETS = 80
const MAX_STALE_TIME_SECONDS = 0xffffff
const DEFAULT_DYNAMIC_LIMIT = 100
const ROLES: readonly BgpRole[] = ['provider', 'customer', 'peer', 'rs', 'rs-client']

export function readPeer(reader: ConfigReader, surroundings: ConfigSurroundings): ResolvedPeer {
  const session = readSession(reader, surroundings, { isUnnumbered: reader.has('interface') })
  const who = readIdentity(reader)
  const sourceAddress = reader.has('sourceAddress') ? reader.zonedAddress('sourceAddress') : undefined
  const peer: ResolvedPeer = {
    ...who,
    port: reader.integer('port', { min: 1, max: 65535, default: 179 }),
    ...readAsn(reader, surroundings, who.interface === undefined ? 'one' : 'one or kind'),
    passive: reader.boolean('passive', false),
    connectRetry: reader.integer('connectRetry', { min: 1, max: 3600, default: 15 }),
    ...(sourceAddress === undefined ? {} : { sourceAddress }),
    ...session,
  }
  checkAsns(reader, peer, surroundings)
  reader.raw('sourceAddress')
  reader.refuseUnknown()
  return peer
}

/** Peers that connect by themselves: what only matters to who dials is unknown there. */
export function readDynamicNeighbors(reader: ConfigReader, surroundings: ConfigSurroundings): ResolvedDynamicNeighbors {
  const prefix = reader.prefix('prefix')
  const template = {
    ...readAsn(reader, surroundings, 'any'),
    port: 179,
    passive: true,
    connectRetry: 15,
    ...readSession(reader, surroundings, { isUnnumbered: false }),
  }
  checkAsns(reader, template, surroundings)
  const limit = reader.integer('limit', { min: 1, max: 100_000, default: DEFAULT_DYNAMIC_LIMIT })
  reader.refuseUnknown()
  return { prefix, limit, template }
}

function readIdentity(reader: ConfigReader): Pick<ResolvedPeer, 'address' | 'interface'> {
  const name = reader.raw('interface')
  if (name === undefined) return { address: readPeerAddress(reader) }
  if (reader.has('address')) reader.problem('address', 'contradicts interface')
  reader.raw('address')
  if (typeof name === 'string' && isInterfaceName(name)) return { address: name, interface: name }
  reader.problem('interface', 'must be the name of a network interface')
  return { address: '', interface: '' }
}

function readPeerAddress(reader: ConfigReader): string {
  const text = reader.zonedAddress('address', { required: true })
  const parsed = text === undefined ? undefined : parseZoned(text)
  if (parsed?.address.isMulticast === true || parsed?.address.value === 0n) {
    reader.problem('address', 'must be the address of a host')
  }
  if (parsed?.address.family === 6 && parsed.address.isLinkLocal && parsed.zone === undefined) {
    reader.problem('address', 'is link-local and needs its interface: fe80::1%eth0')
  }
  return text ?? '0.0.0.0'
}

/** @param allowed one number; also `internal` and `external`; a list too */
function readAsn(
  reader: ConfigReader,
  { speaker }: ConfigSurroundings,
  allowed: 'one' | 'one or kind' | 'any',
): { asn: number; asnRule: PeerAsRule } {
  const value = reader.raw('asn')
  if (allowed !== 'one' && value === 'internal') return { asn: speaker.asn, asnRule: speaker.asn }
  if (allowed !== 'one' && value === 'external') return { asn: 0, asnRule: 'external' }
  if (allowed === 'any' && Array.isArray(value)) {
    const asns = reader.integers('asn', { min: 1, max: MAX_ASN })
    if (asns.length === 0) reader.problem('asn', 'must not be an empty list')
    const kinds = new Set(asns.map((asn) => kindOfAsn(speaker.asn, speaker.confederation?.members ?? [], asn)))
    if (kinds.size > 1) reader.problem('asn', 'must not mix internal, confederation and external ASes')
    const only = asns.length === 1 || kinds.has('internal') ? asns[0] : undefined
    return { asn: only ?? 0, asnRule: only ?? asns }
  }
  const asn = reader.integer('asn', { min: 1, max: MAX_ASN })
  return { asn, asnRule: asn }
}

/** Contradictions between the AS of the peer and what is said about it. */
function checkAsns(
  reader: ConfigReader,
  peer: Pick<ResolvedPeer, 'asn' | 'asnRule'> & ResolvedSession,
  { speaker }: ConfigSurroundings,
): void {
  const { asn, localAs } = peer
  const listed = typeof peer.asnRule === 'object' ? peer.asnRule : [asn]
  const { identifier } = speaker.confederation ?? {}
  const kind = kindOfAsn(speaker.asn, speaker.confederation?.members ?? [], listed[0] ?? 0)
  if (kind === 'external' && identifier !== undefined && listed.includes(identifier)) {
    reader.problem('asn', 'must not be the identifier of our confederation')
  }
  if (localAs !== undefined && kind !== 'external') reader.problem('localAs', 'is for external peers')
  if (localAs === speaker.asn) reader.problem('localAs', 'is our AS already')
  if (localAs !== undefined && listed.includes(localAs)) reader.problem('localAs', "must not be the peer's AS")
  for (const field of ['localAsNoPrepend', 'localAsReplace'] as const) {
    if (peer[field] && localAs === undefined) reader.problem(field, 'needs localAs')
  }
  if (peer.role !== undefined && kind !== 'external') reader.problem('role', 'is for external peers (RFC 9234)')
  if (peer.roleStrict && peer.role === undefined) reader.problem('roleStrict', 'needs role')
}

function readSession(
  reader: ConfigReader,
  surroundings: ConfigSurroundings,
  { isUnnumbered }: { isUnnumbered: boolean },
): ResolvedSession {
  const holdTime = reader.integer('holdTime', { min: 0, max: 65535, default: 90 })
  if (holdTime === 1 || holdTime === 2) reader.problem('holdTime', 'must be 0 or at least 3 seconds (RFC 4271 §4.2)')
  const session: ResolvedSession = {
    adminDown: reader.boolean('adminDown', false),
    drain: reader.boolean('drain', false),
    localAsNoPrepend: reader.boolean('localAsNoPrepend', false),
    localAsReplace: reader.boolean('localAsReplace', false),
    removePrivateAs: readRemovePrivateAs(reader),
    holdTime,
    delayOpen: reader.integer('delayOpen', { min: 0, max: 240, default: 0 }),
    families: readFamilies(reader),
    addPath: readAddPath(reader),
    extendedNextHop: reader.boolean('extendedNextHop', isUnnumbered),
    roleStrict: reader.boolean('roleStrict', false),
    routeReflectorClient: reader.boolean('routeReflectorClient', false),
    nextHopSelf: reader.raw('nextHopSelf') === 'force' ? 'force' : reader.boolean('nextHopSelf', false),
    nextHopUnchanged: reader.boolean('nextHopUnchanged', false),
    nextHop: readNextHop(reader),
    allowOwnAs: reader.integer('allowOwnAs', { min: 0, max: 255, default: 0 }),
    enforceFirstAs: reader.boolean('enforceFirstAs', true),
    maxPrefixes: readMaxPrefixes(reader),
    gracefulRestart: reader.boolean('gracefulRestart', true),
    ...optionalFields(reader, surroundings),
  }
  if (session.longLivedGracefulRestart !== undefined && !session.gracefulRestart) {
    reader.problem('longLivedGracefulRestart', 'needs gracefulRestart (RFC 9494 §3)')
  }
  return session
}

type OptionalFields = Pick<
  SessionConfig,
  | 'description'
  | 'keepalive'
  | 'localAs'
  | 'role'
  | 'longLivedGracefulRestart'
  | 'ttlSecurity'
  | 'password'
  | 'import'
  | 'export'
> & { readonly bfd?: Required<BfdConfig> }

function optionalFields(reader: ConfigReader, surroundings: ConfigSurroundings): OptionalFields {
  const optional = <K extends keyof OptionalFields>(
    field: K,
    read: () => OptionalFields[K] | undefined,
  ): Partial<OptionalFields> => {
    reader.raw(field)
    const value = reader.has(field) ? read() : undefined
    return value === undefined ? {} : { [field]: value }
  }
  for (const field of ['ttlSecurity', 'password'] as const) {
    if (reader.has(field) && !surroundings.hasSocketOptions) {
      reader.problem(field, 'needs a socket option that this program can not set (no socketOptions port)')
    }
  }
  if (reader.has('bfd') && !surroundings.hasBfdSockets) {
    reader.problem('bfd', 'needs sockets that this program can not open (no bfdSockets port)')
  }
  return {
    ...optional('description', () => reader.text('description', 255)),
    ...optional('keepalive', () => reader.integer('keepalive', { min: 1, max: 21845 })),
    ...optional('localAs', () => reader.integer('localAs', { min: 1, max: MAX_ASN })),
    ...optional('role', () => reader.choice('role', ROLES)),
    ...optional('longLivedGracefulRestart', () => readLongLived(reader)),
    ...optional('ttlSecurity', () => reader.integer('ttlSecurity', { min: 1, max: 254 })),
    ...optional('password', () => reader.text('password', MAX_PASSWORD_OCTETS)),
    ...optional('bfd', () => readBfd(reader)),
    ...optional('import', () => readPolicy(reader, 'import')),
    ...optional('export', () => readPolicy(reader, 'export')),
  }
}

function readBfd(reader: ConfigReader): Required<BfdConfig> | undefined {
  const child = reader.child('bfd')
  if (child === undefined) return undefined
  const bfd = {
    minTxMs: child.integer('minTxMs', { min: 10, max: 60_000, default: 300 }),
    minRxMs: child.integer('minRxMs', { min: 10, max: 60_000, default: 300 }),
    multiplier: child.integer('multiplier', { min: 1, max: 255, default: 3 }),
    multihop: child.boolean('multihop', false),
  }
  child.refuseUnknown()
  return bfd
}

function readLongLived(reader: ConfigReader): { staleTimeSeconds: number } | undefined {
  const child = reader.child('longLivedGracefulRestart')
  if (child === undefined) return undefined
  const staleTimeSeconds = child.integer('staleTimeSeconds', { min: 1, max: MAX_STALE_TIME_SECONDS })
  child.refuseUnknown()
  return { staleTimeSeconds }
}

function readAddPath(reader: ConfigReader): ResolvedSession['addPath'] {
  const child = reader.child('addPath')
  if (child === undefined) return { send: 0, receive: false }
  const raw = child.raw('send')
  const isSwitch = raw === undefined || typeof raw === 'boolean'
  const send = isSwitch ? (raw === true ? ALL_PATHS : 0) : child.integer('send', { min: 1, max: 255 })
  const receive = child.boolean('receive', false)
  child.refuseUnknown()
  return { send, receive }
}

function readFamilies(reader: ConfigReader): readonly FamilyName[] {
  const both: readonly FamilyName[] = ['ipv4', 'ipv6']
  if (!reader.has('families')) {
    reader.raw('families')
    return both
  }
  const listed = reader.list('families')
  const isFamily = (item: unknown): item is FamilyName => item === 'ipv4' || item === 'ipv6'
  if (listed.length === 0 || !listed.every(isFamily) || new Set(listed).size !== listed.length) {
    reader.problem('families', 'must list "ipv4", "ipv6" or both')
    return both
  }
  return listed
}

export function readNextHop(reader: ConfigReader): { ipv4?: string; ipv6?: string } {
  const child = reader.child('nextHop')
  const ipv4 = child?.address('ipv4', { family: 4 })
  const ipv6 = child?.address('ipv6', { family: 6 })
  child?.refuseUnknown()
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function readRemovePrivateAs(reader: ConfigReader): RemovePrivateAs {
  const value = reader.raw('removePrivateAs')
  if (value === undefined) return false
  if (value === false || value === 'all' || value === 'replace') return value
  reader.problem('removePrivateAs', 'must be "all", "replace" or false')
  return false
}
