import { AS_TRANS, type AsPathSegment, type PathAttributes } from './path-attributes.ts'

/** RFC 6793 §4.2.3: puts the four-octet numbers back that a two-octet speaker could not carry. */
export function mergeFourOctet(
  asPath: readonly AsPathSegment[],
  aggregator: PathAttributes['aggregator'],
  as4Path: readonly AsPathSegment[] | undefined,
  as4Aggregator: PathAttributes['aggregator'],
): Partial<PathAttributes> {
  // An AGGREGATOR that is not AS_TRANS is newer than the AS4 attributes: a two-octet speaker aggregated again.
  if (aggregator !== undefined && aggregator.asn !== AS_TRANS && as4Aggregator !== undefined) return {}
  const merged: { aggregator?: NonNullable<typeof aggregator>; asPath?: AsPathSegment[] } = {}
  if (aggregator !== undefined && as4Aggregator !== undefined) merged.aggregator = as4Aggregator
  if (as4Path !== undefined) {
    const leading = pathLength(asPath) - pathLength(as4Path)
    if (leading >= 0) merged.asPath = joinPaths(takeHops(asPath, leading), as4Path)
  }
  return merged
}

/** AS_PATH length as the decision process counts it: a set is one hop, confederation segments none (RFC 5065 §5.3). */
export function pathLength(segments: readonly AsPathSegment[]): number {
  let length = 0
  for (const segment of segments) {
    if (segment.type === 'sequence') length += segment.asns.length
    else if (segment.type === 'set') length += 1
  }
  return length
}

/** The leading segments that make up `hops` hops. */
function takeHops(segments: readonly AsPathSegment[], hops: number): AsPathSegment[] {
  const taken: AsPathSegment[] = []
  let left = hops
  for (const segment of segments) {
    if (segment.type.startsWith('confed')) {
      taken.push(segment)
      continue
    }
    if (left <= 0) break
    if (segment.type === 'set') {
      taken.push(segment)
      left -= 1
    } else {
      const asns = segment.asns.slice(0, left)
      taken.push({ type: 'sequence', asns })
      left -= asns.length
    }
  }
  return taken
}

function joinPaths(head: readonly AsPathSegment[], tail: readonly AsPathSegment[]): AsPathSegment[] {
  const last = head.at(-1)
  const first = tail[0]
  if (last?.type !== 'sequence' || first?.type !== 'sequence') return [...head, ...tail]
  return [...head.slice(0, -1), { type: 'sequence', asns: [...last.asns, ...first.asns] }, ...tail.slice(1)]
}
