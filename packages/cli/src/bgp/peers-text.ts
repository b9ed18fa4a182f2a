import type { FamilyName, NotAdvertised, PeerDetail, PeerStatus } from 'bgp-js'
import { durationText } from './duration.ts'
import { type Column, TextTable } from './text-table.ts'

const FAMILIES: readonly FamilyName[] = ['ipv4', 'ipv6']
const COLUMNS: readonly Column[] = [
  { head: 'NEIGHBOR' },
  { head: 'AS', align: 'right' },
  { head: 'STATE' },
  { head: 'UP/DOWN', align: 'right' },
  { head: 'IPV4 RCVD/ACC/ADV', align: 'right' },
  { head: 'IPV6 RCVD/ACC/ADV', align: 'right' },
  { head: 'FLAPS', align: 'right' },
  { head: 'NOTE' },
]

type Withheld = Readonly<Record<FamilyName, NotAdvertised>>

/** Whether a session is up, agreed on a family, and sends nothing of it. */
export const isSilent = ({ state, families, prefixes }: PeerStatus): boolean =>
  state === 'Established' && families.some((family) => prefixes[family].advertised === 0)

/** What `show bgp summary` shows. @param details of the peers that are sent nothing, by address */
export function peersText(
  speaker: { readonly asn: number; readonly routerId: string },
  peers: readonly PeerStatus[],
  details: ReadonlyMap<string, PeerDetail>,
  now: Date,
): string {
  const head = `AS ${speaker.asn}, router id ${speaker.routerId}, ${upCount(peers)} of ${peers.length} peers Established\n`
  if (peers.length === 0) return head
  const rows = peers.map((peer) => [
    peer.address,
    peer.asn === 0 ? '?' : String(peer.asn),
    peer.state,
    durationText((now.getTime() - Date.parse(peer.since)) / 1000),
    countsText(peer, 'ipv4'),
    countsText(peer, 'ipv6'),
    String(peer.flaps),
    noteText(peer, details.get(peer.address)?.notAdvertised),
  ])
  return `${head}\n${new TextTable(COLUMNS).render(rows)}`
}

const upCount = (peers: readonly PeerStatus[]): number => peers.filter(({ state }) => state === 'Established').length

function countsText({ prefixes, families, state }: PeerStatus, family: FamilyName): string {
  if (state === 'Established' && !families.includes(family)) return '-'
  const { received, accepted, advertised } = prefixes[family]
  return `${received}/${accepted}/${advertised}`
}

function noteText(peer: PeerStatus, withheld: Withheld | undefined): string {
  const notes = [peer.description, peer.problem, peer.drained ? 'drained' : undefined]
  for (const family of FAMILIES) {
    if (withheld === undefined || !peer.families.includes(family) || peer.prefixes[family].advertised > 0) continue
    const { reasons, locRib, complete } = withheld[family]
    const counts = Object.entries(reasons).toSorted(([, one], [, other]) => other - one)
    const why = counts.map(([reason, count]) => `${count} ${reason}`).join(', ')
    if (locRib > 0) notes.push(`${family}: nothing advertised (${complete ? '' : 'sample: '}${why})`)
  }
  return notes.filter((note) => note !== undefined).join('; ')
}
