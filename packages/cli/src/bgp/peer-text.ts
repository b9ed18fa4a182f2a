import type { FamilyName, PeerDetail, SessionError } from 'bgp-js'
import { durationText } from './duration.ts'
import { TextTable } from './text-table.ts'

const FAMILIES: readonly FamilyName[] = ['ipv4', 'ipv6']

type Fact = readonly [name: string, value: string | undefined]

/** Everything about one peer, as `show bgp neighbor` shows it. */
export function peerText(peer: PeerDetail, now: Date): string {
  const inState = durationText((now.getTime() - Date.parse(peer.since)) / 1000)
  const sections = [
    `${peer.address}, AS ${peer.asn === 0 ? '?' : peer.asn} (${peer.peerKind}): ${peer.state} for ${inState}\n`,
    factsText([...sessionFacts(peer), ...agreementFacts(peer), ...errorFacts(peer)]),
    prefixesText(peer),
    messagesText(peer),
    historyText(peer),
  ]
  return sections.filter((section) => section !== '').join('\n')
}

function factsText(facts: readonly Fact[]): string {
  return facts
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `  ${name.padEnd(20)}${value}\n`)
    .join('')
}

function sessionFacts(peer: PeerDetail): Fact[] {
  const { timers, localAddress, remoteAddress, initiator } = peer
  const ends = localAddress === undefined ? remoteAddress : `${localAddress} to ${remoteAddress}`
  const dialed = initiator === undefined ? '' : `, dialed by ${initiator === 'local' ? 'us' : 'the peer'}`
  const hold = timers.holdTimeSeconds
  return [
    ['problem', peer.problem],
    ['description', peer.description],
    ['addresses', ends === undefined ? undefined : `${ends}${dialed}`],
    ['router id', peer.routerId],
    ['flaps', String(peer.flaps)],
    ['drained', peer.drained ? 'yes: routes go out as a last resort' : undefined],
    ['BFD', peer.bfd === undefined ? undefined : peer.bfd.up ? 'up' : 'down'],
    [
      'timers',
      hold === undefined
        ? `hold ${timers.configuredHoldTimeSeconds} s (configured)`
        : `hold ${hold} s (configured ${timers.configuredHoldTimeSeconds} s), keepalive ${timers.keepaliveSeconds} s`,
    ],
    ['limits', FAMILIES.flatMap((family) => limitText(peer, family)).join(', ')],
  ]
}

function limitText({ limits }: PeerDetail, family: FamilyName): string[] {
  const limit = limits[family]
  if (limit === undefined) return []
  return [`${family} ${limit.limit} (warning at ${limit.warnAtPercent} %, ${limit.action})`]
}

function agreementFacts({ negotiated, gracefulRestart, state }: PeerDetail): Fact[] {
  if (negotiated === undefined || state !== 'Established') return []
  const { addPath } = negotiated
  const features = [
    negotiated.fourOctetAs ? '4-octet AS' : undefined,
    negotiated.routeRefresh ? (negotiated.enhancedRefresh ? 'enhanced route refresh' : 'route refresh') : undefined,
    negotiated.extendedMessages ? 'extended messages' : undefined,
    negotiated.extendedNextHop ? 'IPv6 next hops for IPv4' : undefined,
    addPath.send.length === 0 ? undefined : `ADD-PATH sent (${addPath.send.join(', ')})`,
    addPath.receive.length === 0 ? undefined : `ADD-PATH received (${addPath.receive.join(', ')})`,
    gracefulRestart.peerOffers ? 'graceful restart' : undefined,
    negotiated.longLivedFamilies.length === 0 ? undefined : 'long-lived graceful restart',
    negotiated.peerRole === undefined ? undefined : `the peer is our ${negotiated.peerRole}`,
  ]
  return [
    ['families', negotiated.families.join(', ')],
    ['agreed on', features.filter((feature) => feature !== undefined).join(', ')],
  ]
}

const errorFacts = (peer: PeerDetail): Fact[] => [
  ['last error sent', errorText(peer.lastErrorSent)],
  ['last error received', errorText(peer.lastErrorReceived)],
  ['last failure', peer.lastError?.direction === 'local' ? errorText(peer.lastError) : undefined],
]

function errorText(error: SessionError | undefined): string | undefined {
  if (error === undefined) return undefined
  const code = error.code === undefined ? '' : ` (${error.code}/${error.subcode ?? 0})`
  return `${error.name}${code}${error.text === '' ? '' : `: ${error.text}`}, ${error.at}`
}

function prefixesText(peer: PeerDetail): string {
  const heads = ['FAMILY', 'RECEIVED', 'ACCEPTED', 'STALE', 'ADVERTISED', 'PENDING', 'CONVERGED']
  const table = new TextTable(heads.map((head, index) => ({ head, align: index === 0 ? 'left' : 'right' })))
  const rows = FAMILIES.map((family) => {
    const { received, accepted, stale, advertised, pending, convergenceSeconds } = peer.prefixes[family]
    const counts = [received, accepted, stale, advertised, pending].map(String)
    return [family, ...counts, convergenceSeconds === undefined ? '-' : `${convergenceSeconds} s`]
  })
  const withheld = FAMILIES.flatMap((family) => {
    const { summary, locRib } = peer.notAdvertised[family]
    const concerns = peer.state === 'Established' && peer.families.includes(family) && locRib > 0
    return concerns && summary !== undefined ? [`not advertised, ${family}: ${summary}\n`] : []
  })
  return table.render(rows) + withheld.join('')
}

function messagesText({ messages }: PeerDetail): string {
  const table = new TextTable([
    { head: 'MESSAGES' },
    { head: 'RECEIVED', align: 'right' },
    { head: 'SENT', align: 'right' },
  ])
  const names = { open: 'OPEN', update: 'UPDATE', notification: 'NOTIFICATION', keepalive: 'KEEPALIVE' }
  const rows = Object.entries({ ...names, routeRefresh: 'ROUTE-REFRESH' }).map(([key, name]) => {
    const type = key as keyof typeof messages.in
    return [name, String(messages.in[type]), String(messages.out[type])]
  })
  return table.render(rows)
}

function historyText({ stateHistory }: PeerDetail): string {
  if (stateHistory.length === 0) return ''
  const table = new TextTable([{ head: 'TIME' }, { head: 'FROM' }, { head: 'TO' }, { head: 'WHY' }])
  return table.render(stateHistory.map(({ at, from, to, reason }) => [at, from, to, reason]))
}
