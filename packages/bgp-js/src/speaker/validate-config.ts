import { Address } from '@margay/net'
import { BgpConfigError, type ConfigProblem } from '../errors.ts'
import { readPolicy } from '../policy/read-policy.ts'
import type { FamilyName } from '../wire/address-family.ts'
import type { ListenConfig, PeerConfig, ResolvedPeer, ResolvedSpeaker } from './config.ts'
import { ConfigReader } from './config-reader.ts'

/** What of the ports a configuration depends on. */
export interface ConfigSurroundings {
  readonly hasSocketOptions: boolean
}

const MAX_ASN = 0xffffffff
const MAX_U32 = 0xffffffff
/** TCP_MD5SIG_MAXKEYLEN of Linux. */
const MAX_PASSWORD_OCTETS = 80

/** @throws {BgpConfigError} naming every bad field */
export function parseSpeakerConfig(value: unknown, surroundings: ConfigSurroundings): ResolvedSpeaker {
  const problems: ConfigProblem[] = []
  const reader = new ConfigReader(value, '', problems)
  const routerId = reader.address('routerId', { family: 4, required: true }) ?? '0.0.0.0'
  if (routerId === '0.0.0.0' && reader.raw('routerId') === '0.0.0.0') reader.problem('routerId', 'must not be 0.0.0.0')
  const config: ResolvedSpeaker = {
    asn: reader.integer('asn', { min: 1, max: MAX_ASN }),
    routerId,
    clusterId: reader.address('clusterId', { family: 4 }) ?? routerId,
    listen: readListen(reader),
    networks: reader.prefixes('networks'),
    neighbors: reader.children('neighbors').map((peer) => readPeer(peer, surroundings)),
    gracefulRestart: readGracefulRestart(reader),
    multipath: reader.boolean('multipath', false),
    alwaysCompareMed: reader.boolean('alwaysCompareMed', false),
    defaultLocalPref: reader.integer('defaultLocalPref', { min: 0, max: MAX_U32, default: 100 }),
    nextHop: readNextHop(reader),
    ebgpRequiresPolicy: reader.boolean('ebgpRequiresPolicy', false),
  }
  const seen = new Set<string>()
  for (const [index, { address }] of config.neighbors.entries()) {
    if (seen.has(address)) reader.problem(`neighbors[${index}].address`, `${address} is there twice`)
    seen.add(address)
  }
  reader.refuseUnknown()
  if (problems.length > 0) throw new BgpConfigError(problems)
  return config
}

/** @throws {BgpConfigError} naming every bad field */
export function parsePeerConfig(value: PeerConfig, surroundings: ConfigSurroundings): ResolvedPeer {
  const problems: ConfigProblem[] = []
  const peer = readPeer(new ConfigReader(value, '', problems), surroundings)
  if (problems.length > 0) throw new BgpConfigError(problems)
  return peer
}

function readPeer(reader: ConfigReader, surroundings: ConfigSurroundings): ResolvedPeer {
  const holdTime = reader.integer('holdTime', { min: 0, max: 65535, default: 90 })
  if (holdTime === 1 || holdTime === 2) reader.problem('holdTime', 'must be 0 or at least 3 seconds (RFC 4271 §4.2)')
  const peer: ResolvedPeer = {
    address: readPeerAddress(reader),
    port: reader.integer('port', { min: 1, max: 65535, default: 179 }),
    asn: reader.integer('asn', { min: 1, max: MAX_ASN }),
    passive: reader.boolean('passive', false),
    adminDown: reader.boolean('adminDown', false),
    holdTime,
    connectRetry: reader.integer('connectRetry', { min: 1, max: 3600, default: 15 }),
    families: readFamilies(reader),
    routeReflectorClient: reader.boolean('routeReflectorClient', false),
    nextHopSelf: reader.raw('nextHopSelf') === 'force' ? 'force' : reader.boolean('nextHopSelf', false),
    nextHopUnchanged: reader.boolean('nextHopUnchanged', false),
    nextHop: readNextHop(reader),
    allowOwnAs: reader.integer('allowOwnAs', { min: 0, max: 255, default: 0 }),
    enforceFirstAs: reader.boolean('enforceFirstAs', true),
    gracefulRestart: reader.boolean('gracefulRestart', true),
    ...optionalFields(reader, surroundings),
  }
  reader.refuseUnknown()
  return peer
}

type OptionalPeerFields = Pick<
  PeerConfig,
  'description' | 'keepalive' | 'sourceAddress' | 'maxPrefixes' | 'ttlSecurity' | 'password' | 'import' | 'export'
>

function optionalFields(reader: ConfigReader, surroundings: ConfigSurroundings): OptionalPeerFields {
  const optional = <K extends keyof OptionalPeerFields>(
    field: K,
    read: () => OptionalPeerFields[K] | undefined,
  ): Partial<OptionalPeerFields> => {
    reader.raw(field)
    const value = reader.has(field) ? read() : undefined
    return value === undefined ? {} : { [field]: value }
  }
  for (const field of ['ttlSecurity', 'password'] as const) {
    if (reader.has(field) && !surroundings.hasSocketOptions) {
      reader.problem(field, 'needs a socket option that this program can not set (no socketOptions port)')
    }
  }
  return {
    ...optional('description', () => reader.text('description', 255)),
    ...optional('keepalive', () => reader.integer('keepalive', { min: 1, max: 21845 })),
    ...optional('sourceAddress', () => reader.address('sourceAddress')),
    ...optional('maxPrefixes', () => reader.integer('maxPrefixes', { min: 1, max: MAX_U32 })),
    ...optional('ttlSecurity', () => reader.integer('ttlSecurity', { min: 1, max: 254 })),
    ...optional('password', () => reader.text('password', MAX_PASSWORD_OCTETS)),
    ...optional('import', () => readPolicy(reader, 'import')),
    ...optional('export', () => readPolicy(reader, 'export')),
  }
}

function readPeerAddress(reader: ConfigReader): string {
  const text = reader.address('address', { required: true })
  const address = text === undefined ? undefined : Address.parse(text)
  if (address?.isMulticast === true || address?.value === 0n) reader.problem('address', 'must be the address of a host')
  if (address?.family === 6 && address.isLinkLocal) reader.problem('address', 'must not be link-local')
  return text ?? '0.0.0.0'
}

function readFamilies(reader: ConfigReader): readonly FamilyName[] {
  const both: readonly FamilyName[] = ['ipv4', 'ipv6']
  if (!reader.has('families')) return both
  const listed = reader.list('families')
  const isFamily = (item: unknown): item is FamilyName => item === 'ipv4' || item === 'ipv6'
  if (listed.length === 0 || !listed.every(isFamily) || new Set(listed).size !== listed.length) {
    reader.problem('families', 'must list "ipv4", "ipv6" or both')
    return both
  }
  return listed
}

function readNextHop(reader: ConfigReader): { ipv4?: string; ipv6?: string } {
  const child = reader.child('nextHop')
  const ipv4 = child?.address('ipv4', { family: 4 })
  const ipv6 = child?.address('ipv6', { family: 6 })
  child?.refuseUnknown()
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function readListen(reader: ConfigReader): Required<ListenConfig>[] {
  const value = reader.raw('listen')
  const single = reader.has('listen') && !Array.isArray(value) ? reader.child('listen') : undefined
  const readers = single === undefined ? reader.children('listen') : [single]
  if (!reader.has('listen')) return [{ address: '0.0.0.0', port: 179 }]
  return readers.map((item) => {
    const listen = {
      address: item.address('address') ?? '0.0.0.0',
      port: item.integer('port', { min: 0, max: 65535, default: 179 }),
    }
    item.refuseUnknown()
    return listen
  })
}

function readGracefulRestart(reader: ConfigReader): ResolvedSpeaker['gracefulRestart'] {
  const child = reader.child('gracefulRestart')
  const settings = {
    restarting: child?.boolean('restarting', false) ?? false,
    forwardingPreserved: child?.boolean('forwardingPreserved', true) ?? true,
    restartTimeSeconds: child?.integer('restartTimeSeconds', { min: 1, max: 4095, default: 120 }) ?? 120,
    stalePathSeconds: child?.integer('stalePathSeconds', { min: 1, max: 3600, default: 360 }) ?? 360,
  }
  child?.refuseUnknown()
  return settings
}
