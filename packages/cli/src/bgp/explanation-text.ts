import {
  type ExplainedCandidate,
  NOT_ADVERTISED_TEXT,
  type PrefixExplanation,
  type RouteAttributes,
  type RouteExplanation,
} from 'bgp-js'
import { markOf } from './routes-text.ts'

/** The steps of the decision process (RFC 4271 §9.1.2) in words. */
const STEPS: Readonly<Record<ExplainedCandidate['reason'], string>> = {
  OnlyPath: 'the only usable path',
  NextHopUnreachable: 'no way to the next hop',
  LlgrStale: 'stale for long',
  LocalOrigin: 'originated here',
  LocalPref: 'local preference',
  AsPathLength: 'length of the AS path',
  Origin: 'origin',
  Med: 'MED',
  ExternalOverInternal: 'external before internal',
  NextHopMetric: 'cost of the way to the next hop',
  RouterId: 'lowest router id',
  ClusterListLength: 'length of the cluster list',
  PeerAddress: 'lowest peer address',
  PathId: 'lowest path identifier',
}

/** Why a destination goes where it goes, in sentences. */
export function explanationText({ query, exact, longestMatch }: RouteExplanation): string {
  const parts: string[] = []
  if (exact !== undefined) parts.push(prefixText(exact))
  if (longestMatch !== undefined) {
    parts.push(`${query} ${exact === undefined ? 'is in no table' : 'has no usable path'}; the longest match is:\n`)
    parts.push(prefixText(longestMatch))
  }
  return parts.length === 0 ? `${query}: no route\n` : parts.join('\n')
}

function prefixText(explanation: PrefixExplanation): string {
  const { prefix, candidates, refused, advertisedTo, notAdvertisedTo } = explanation
  return [
    `${prefix}\n`,
    section('candidates, the best first', candidates.flatMap(candidateLines)),
    section(
      'refused by import',
      refused.map((route) =>
        words([`from ${route.peer}`, `refused: ${route.refused}`, rpkiText(route.rpki), ...attributes(route)]),
      ),
    ),
    section(
      'advertised to',
      advertisedTo.map(({ peer, attributes: sent }) =>
        words([peer, ...(sent === undefined ? [] : attributes({ attributes: sent }))]),
      ),
    ),
    section(
      'not advertised to',
      notAdvertisedTo.map(({ peer, reason }) => `${peer}: ${NOT_ADVERTISED_TEXT[reason]} (${reason})`),
    ),
  ].join('')
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `  ${title}:\n${lines.map((line) => `    ${line}\n`).join('')}`
}

function candidateLines(candidate: ExplainedCandidate): string[] {
  const { learnedFrom, source, best, reason, stale, rpki } = candidate
  const from = source === 'local' ? 'originated here' : `from ${learnedFrom} (${source})`
  const why =
    best && reason !== 'OnlyPath' ? `chosen by ${STEPS[reason]}` : best ? STEPS[reason] : `lost by ${STEPS[reason]}`
  return [
    `${markOf(candidate)} ${words([from, why, rpkiText(rpki), stale ? 'stale' : undefined])}`,
    `   ${words(attributes(candidate))}`,
  ]
}

const rpkiText = (state: string | undefined): string | undefined => (state === undefined ? undefined : `RPKI ${state}`)

function attributes({ attributes: of }: { readonly attributes: RouteAttributes }): string[] {
  const parts = [`next hop ${of.nextHop}`, `AS path ${of.asPath === '' ? '(empty)' : of.asPath}`, `origin ${of.origin}`]
  if (of.localPref !== undefined) parts.push(`local preference ${of.localPref}`)
  if (of.med !== undefined) parts.push(`MED ${of.med}`)
  const communities = [...(of.communities ?? []), ...(of.largeCommunities ?? [])]
  if (communities.length > 0) parts.push(`communities ${communities.join(' ')}`)
  return parts
}

const words = (parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined).join(', ')
