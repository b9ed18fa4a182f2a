import { ConfigReader } from '../config-reader.ts'
import { BgpConfigError, type ConfigProblem } from '../errors.ts'
import type {
  BmpStationConfig,
  ConfederationConfig,
  ListenConfig,
  PeerConfig,
  ResolvedPeer,
  ResolvedSpeaker,
} from './config.ts'
import { type ConfigSurroundings, MAX_ASN, readDynamicNeighbors, readNextHop, readPeer } from './validate-peer.ts'

const MAX_U32 = 0xffffffff

/** @throws {BgpConfigError} naming every bad field */
export function parseSpeakerConfig(value: unknown, surroundings: Omit<ConfigSurroundings, 'speaker'>): ResolvedSpeaker {
  const problems: ConfigProblem[] = []
  const reader = new ConfigReader(value, '', problems)
  const routerId = reader.address('routerId', { family: 4, required: true }) ?? '0.0.0.0'
  if (routerId === '0.0.0.0' && reader.raw('routerId') === '0.0.0.0') reader.problem('routerId', 'must not be 0.0.0.0')
  const asn = reader.integer('asn', { min: 1, max: MAX_ASN })
  const confederation = readConfederation(reader, asn)
  const speaker = { asn, ...(confederation === undefined ? {} : { confederation }) }
  const around = { ...surroundings, speaker }
  const config: ResolvedSpeaker = {
    ...speaker,
    routerId,
    clusterId: reader.address('clusterId', { family: 4 }) ?? routerId,
    listen: readListen(reader),
    networks: reader.prefixes('networks'),
    neighbors: reader.children('neighbors').map((peer) => readPeer(peer, around)),
    dynamicNeighbors: reader.children('dynamicNeighbors').map((group) => readDynamicNeighbors(group, around)),
    gracefulRestart: readGracefulRestart(reader),
    multipath: reader.boolean('multipath', false),
    alwaysCompareMed: reader.boolean('alwaysCompareMed', false),
    defaultLocalPref: reader.integer('defaultLocalPref', { min: 0, max: MAX_U32, default: 100 }),
    nextHop: readNextHop(reader),
    ebgpRequiresPolicy: reader.boolean('ebgpRequiresPolicy', false),
    drain: reader.boolean('drain', false),
    ...readRpki(reader),
    bmp: reader.children('bmp').map(readStation),
    ...readMrtUpdates(reader),
  }
  refuseTwins(
    reader,
    'neighbors',
    'address',
    config.neighbors.map((peer) => peer.address),
  )
  refuseTwins(
    reader,
    'dynamicNeighbors',
    'prefix',
    config.dynamicNeighbors.map((group) => group.prefix),
  )
  reader.refuseUnknown()
  if (problems.length > 0) throw new BgpConfigError(problems)
  return config
}

function refuseTwins(reader: ConfigReader, list: string, field: string, keys: readonly string[]): void {
  const seen = new Set<string>()
  for (const [index, key] of keys.entries()) {
    if (seen.has(key)) reader.problem(`${list}[${index}].${field}`, `${key} is there twice`)
    seen.add(key)
  }
}

/** @throws {BgpConfigError} naming every bad field */
export function parsePeerConfig(value: PeerConfig, surroundings: ConfigSurroundings): ResolvedPeer {
  const problems: ConfigProblem[] = []
  const peer = readPeer(new ConfigReader(value, '', problems), surroundings)
  if (problems.length > 0) throw new BgpConfigError(problems)
  return peer
}

function readConfederation(reader: ConfigReader, asn: number): ConfederationConfig | undefined {
  const child = reader.child('confederation')
  if (child === undefined) return undefined
  const identifier = child.integer('identifier', { min: 1, max: MAX_ASN })
  const members = child.integers('members', { min: 1, max: MAX_ASN })
  if (members.includes(identifier)) child.problem('members', 'must not list the identifier')
  child.refuseUnknown()
  return { identifier, members: [...new Set(members)].filter((member) => member !== asn) }
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

function readRpki(reader: ConfigReader): Pick<ResolvedSpeaker, 'rpki'> {
  const child = reader.child('rpki')
  if (child === undefined) return {}
  const caches = child.children('caches').map((cache) => {
    const read = {
      address: cache.address('address', { required: true }) ?? '',
      port: cache.integer('port', { min: 1, max: 65535, default: 323 }),
      preference: cache.integer('preference', { min: 0, max: 255, default: 0 }),
    }
    cache.refuseUnknown()
    return read
  })
  if (caches.length === 0) child.problem('caches', 'must list at least one cache')
  child.refuseUnknown()
  return { rpki: { caches } }
}

const POLICIES = ['pre', 'post', 'both'] as const

function readStation(station: ConfigReader): Required<BmpStationConfig> {
  const read = {
    address: station.address('address', { required: true }) ?? '',
    port: station.integer('port', { min: 1, max: 65535 }),
    policy: station.has('policy') ? (station.choice('policy', POLICIES) ?? 'pre') : 'pre',
    statsSeconds: station.integer('statsSeconds', { min: 1, max: 86_400, default: 60 }),
  }
  station.raw('policy')
  station.refuseUnknown()
  return read
}

function readMrtUpdates(reader: ConfigReader): Pick<ResolvedSpeaker, 'mrtUpdates'> {
  const child = reader.child('mrtUpdates')
  if (child === undefined) return {}
  const directory = child.text('directory', 4096)
  if (!child.has('directory')) child.problem('directory', 'is missing')
  const rotateSeconds = child.integer('rotateSeconds', { min: 1, max: 86_400, default: 900 })
  child.refuseUnknown()
  return { mrtUpdates: { directory: directory ?? '.', rotateSeconds } }
}
