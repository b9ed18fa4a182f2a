import type { AsPathSegment } from '../wire/path-attributes.ts'

/** Another AS than our own that one session shows. */
export interface LocalAs {
  readonly asn: number
  /** Received paths get it in front, so that the detour is seen. */
  readonly prependOnImport: boolean
  /** Sent paths show it alone, and our own AS not at all. */
  readonly replacesOwn: boolean
}

/** How private AS numbers leave: `all` takes them out, `replace` puts our own in their place. */
export type RemovePrivateAs = false | 'all' | 'replace'

const MAX_SEGMENT = 255

/** Puts an AS in front (RFC 4271 §5.1.2), into confederation segments where `type` says so (RFC 5065 §4). */
export function prependAs(
  path: readonly AsPathSegment[],
  asn: number,
  type: 'sequence' | 'confedSequence' = 'sequence',
): AsPathSegment[] {
  const first = path[0]
  if (first?.type === type && first.asns.length < MAX_SEGMENT) {
    return [{ type, asns: [asn, ...first.asns] }, ...path.slice(1)]
  }
  return [{ type, asns: [asn] }, ...path]
}

/** What is left of a path outside the confederation (RFC 5065 §4 b). */
export const withoutConfederation = (path: readonly AsPathSegment[]): readonly AsPathSegment[] =>
  path.some((segment) => segment.type.startsWith('confed'))
    ? path.filter((segment) => !segment.type.startsWith('confed'))
    : path

/** RFC 6996: 64512–65534 and 4200000000–4294967294. */
const isPrivateAs = (asn: number): boolean =>
  (asn >= 64512 && asn <= 65534) || (asn >= 4_200_000_000 && asn <= 4_294_967_294)

export function removePrivate(
  path: readonly AsPathSegment[],
  mode: RemovePrivateAs,
  ownAsn: number,
): readonly AsPathSegment[] {
  if (mode === false || !path.some((segment) => segment.asns.some(isPrivateAs))) return path
  return path
    .map(({ type, asns }) => ({
      type,
      asns:
        mode === 'all' ? asns.filter((asn) => !isPrivateAs(asn)) : asns.map((asn) => (isPrivateAs(asn) ? ownAsn : asn)),
    }))
    .filter(({ asns }) => asns.length > 0)
}
