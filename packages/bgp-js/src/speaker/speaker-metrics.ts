import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import type { MessageCounts } from './message-counters.ts'
import { type Labels, type Metric, metricsText } from './metrics-text.ts'
import type { SessionError } from './session-error.ts'
import type { SpeakerViews, TableCounts } from './speaker-views.ts'
import type { PeerStatus, PrefixCounts } from './status.ts'

/** What the metrics are about. */
export interface MeasuredSpeaker {
  readonly asn: number
  readonly routerId: string
  readonly views: SpeakerViews
}

type Samples = readonly (readonly [labels: Labels, value: number])[]

interface PeerMetric extends Omit<Metric, 'samples'> {
  /** The labels of the peer itself are put in front. */
  readonly of: (status: PeerStatus) => Samples
}

/** As BGP4-MIB numbers the states (RFC 4273, bgpPeerState). */
const STATE_NUMBERS: Readonly<Record<PeerStatus['state'], number>> = {
  Idle: 1,
  Connect: 2,
  Active: 3,
  OpenSent: 4,
  OpenConfirm: 5,
  Established: 6,
}
const FAMILY_NAMES = FAMILIES.map(familyName)
const MESSAGE_TYPES: readonly (readonly [keyof MessageCounts, string])[] = [
  ['open', 'open'],
  ['update', 'update'],
  ['notification', 'notification'],
  ['keepalive', 'keepalive'],
  ['routeRefresh', 'route_refresh'],
]

const perFamily =
  (of: (counts: PrefixCounts) => number | undefined) =>
  ({ prefixes }: PeerStatus): Samples =>
    FAMILY_NAMES.flatMap((family) => {
      const value = of(prefixes[family])
      return value === undefined ? [] : [[{ family }, value] as const]
    })

const once = (value: number | undefined): Samples => (value === undefined ? [] : [[{}, value]])

const PEER_METRICS: readonly PeerMetric[] = [
  {
    name: 'bgp_peer_state',
    type: 'gauge',
    help: 'State of the session: 1 Idle, 2 Connect, 3 Active, 4 OpenSent, 5 OpenConfirm, 6 Established',
    of: ({ state }) => once(STATE_NUMBERS[state]),
  },
  {
    name: 'bgp_peer_up',
    type: 'gauge',
    help: 'Whether the session is Established',
    of: ({ state }) => once(Number(state === 'Established')),
  },
  {
    name: 'bgp_peer_admin_down',
    type: 'gauge',
    help: 'Whether the peer is configured to stay down',
    of: ({ adminDown }) => once(Number(adminDown)),
  },
  {
    name: 'bgp_peer_uptime_seconds',
    type: 'gauge',
    help: 'Time since the session was established; absent while it is not',
    of: ({ uptimeSeconds }) => once(uptimeSeconds),
  },
  {
    name: 'bgp_peer_flaps_total',
    type: 'counter',
    help: 'Times that an established session ended',
    of: ({ flaps }) => once(flaps),
  },
  {
    name: 'bgp_peer_held',
    type: 'gauge',
    help: 'What keeps the peer down beside its configuration',
    of: ({ heldBy }) => heldBy.map(({ reason }) => [{ reason }, 1]),
  },
  {
    name: 'bgp_peer_bfd_up',
    type: 'gauge',
    help: 'Whether BFD sees the peer; absent for peers that it does not watch',
    of: ({ bfd }) => once(bfd === undefined ? undefined : Number(bfd.up)),
  },
  {
    name: 'bgp_peer_messages_total',
    type: 'counter',
    help: 'Messages by direction and type',
    of: ({ messages }) =>
      MESSAGE_TYPES.flatMap(([key, type]) => [
        [{ direction: 'received', type }, messages.in[key]] as const,
        [{ direction: 'sent', type }, messages.out[key]] as const,
      ]),
  },
  {
    name: 'bgp_peer_prefixes_received',
    type: 'gauge',
    help: 'Prefixes that the peer announced, refused ones included',
    of: perFamily(({ received }) => received),
  },
  {
    name: 'bgp_peer_prefixes_accepted',
    type: 'gauge',
    help: 'Prefixes of the peer that import policy accepted',
    of: perFamily(({ accepted }) => accepted),
  },
  {
    name: 'bgp_peer_prefixes_advertised',
    type: 'gauge',
    help: 'Prefixes that the peer was sent',
    of: perFamily(({ advertised }) => advertised),
  },
  {
    name: 'bgp_peer_prefixes_stale',
    type: 'gauge',
    help: 'Prefixes kept for a peer that restarts (RFC 4724)',
    of: perFamily(({ stale }) => stale),
  },
  {
    name: 'bgp_peer_queue_depth',
    type: 'gauge',
    help: 'Prefixes whose latest state the peer was not sent yet',
    of: perFamily(({ pending }) => pending),
  },
  {
    name: 'bgp_peer_convergence_seconds',
    type: 'gauge',
    help: 'From the start of the session until the whole table was sent; absent until it is',
    of: perFamily(({ convergenceSeconds }) => convergenceSeconds),
  },
  {
    name: 'bgp_peer_last_error_timestamp_seconds',
    type: 'gauge',
    help: 'When the last error happened, by who told it and its name in the RFC',
    of: (status) => lastErrors(status),
  },
]

/** One series for each direction: code and name are of a registry, the text is left out. */
function lastErrors({ lastErrorSent, lastErrorReceived, lastError }: PeerStatus): Samples {
  const local = lastError?.direction === 'local' ? lastError : undefined
  return [lastErrorSent, lastErrorReceived, local]
    .filter((error): error is SessionError => error !== undefined)
    .map(({ direction, code = 0, subcode = 0, name, at }) => [
      { direction, code, subcode, error: name },
      Date.parse(at) / 1000,
    ])
}

/** Everything there is to measure, as text for Prometheus, piece by piece. */
export function* renderMetrics(speaker: MeasuredSpeaker): Generator<string> {
  yield* metricsText(speakerMetrics(speaker))
  const statuses: PeerStatus[] = []
  for (const status of speaker.views.peers()) {
    statuses.push(status)
    yield ''
  }
  yield* metricsText(PEER_METRICS.map(({ of, ...about }): Metric => ({ ...about, samples: peerSamples(statuses, of) })))
}

function* peerSamples(
  statuses: readonly PeerStatus[],
  of: (status: PeerStatus) => Samples,
): Generator<readonly [Labels, number]> {
  for (const status of statuses) {
    const { address: peer, asn } = status
    for (const [labels, value] of of(status)) yield [{ peer, asn, ...labels }, value]
  }
}

function* speakerMetrics({ asn, routerId, views }: MeasuredSpeaker): Generator<Metric> {
  const { attributeSets, tables } = views.counts()
  const gauge = (name: string, help: string, samples: Samples): Metric => ({ name, type: 'gauge', help, samples })
  const each = (of: (counts: TableCounts) => number): Samples =>
    FAMILY_NAMES.map((family) => [{ family }, of(tables[family])])
  const rpki = views.rpki().map((cache) => ({ ...cache, labels: { cache: place(cache.address, cache.port) } }))
  const bmp = views.bmp().map((station) => ({ ...station, labels: { station: place(station.host, station.port) } }))
  const unsettled: readonly FamilyName[] = views.unsettled()
  yield gauge('bgp_speaker_info', 'This speaker', [[{ asn, router_id: routerId }, 1]])
  yield gauge(
    'bgp_route_selection_deferred',
    'Whether route selection waits for the end of a graceful restart',
    FAMILY_NAMES.map((family) => [{ family }, Number(unsettled.includes(family))]),
  )
  yield gauge(
    'bgp_loc_rib_prefixes',
    'Prefixes that have a best path',
    each(({ locRib }) => locRib),
  )
  yield gauge(
    'bgp_rib_prefixes',
    'Prefixes in any table',
    each(({ prefixes }) => prefixes),
  )
  yield gauge(
    'bgp_rib_paths',
    'Paths that peers announced',
    each(({ paths }) => paths),
  )
  yield gauge(
    'bgp_update_groups',
    'Groups of peers that get the same routes',
    each(({ updateGroups }) => updateGroups),
  )
  yield gauge(
    'bgp_out_blocks',
    'Encoded sets of path attributes for peers',
    each(({ outBlocks }) => outBlocks),
  )
  yield gauge('bgp_attribute_sets', 'Different sets of path attributes', once(attributeSets))
  yield gauge(
    'bgp_rpki_cache_up',
    'Whether the cache is connected',
    rpki.map((c) => [c.labels, Number(c.connected)]),
  )
  yield gauge(
    'bgp_rpki_vrps',
    'Validated ROA payloads of the cache',
    rpki.map((cache) => [cache.labels, cache.vrps]),
  )
  yield gauge(
    'bgp_bmp_station_up',
    'Whether the station is told',
    bmp.map((s) => [s.labels, Number(isTold(s.state))]),
  )
  yield gauge(
    'bgp_bmp_station_buffered_bytes',
    'What waits for it',
    bmp.map((s) => [s.labels, s.bufferedOctets]),
  )
  yield gauge('process_resident_memory_bytes', 'Resident memory of the process', once(process.memoryUsage.rss()))
}

const isTold = (state: string): boolean => state === 'live' || state === 'dumping'

const place = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
