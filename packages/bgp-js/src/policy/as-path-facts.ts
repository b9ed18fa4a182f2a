import type { AsPathSegment } from '../wire/path-attributes.ts'

type AsPath = readonly AsPathSegment[]

/** Length as the decision process counts it: a set is one, confederation segments are none (RFC 4271 §9.1.2.2, 5065 §5.3). */
export function asPathLength(path: AsPath): number {
  let length = 0
  for (const { type, asns } of path) length += type === 'sequence' ? asns.length : type === 'set' ? 1 : 0
  return length
}

/** The AS that a route began in; undefined for an empty path and one that ends in a set (RFC 6811 §2, "NONE"). */
export function originAs(path: AsPath): number | undefined {
  const last = path.findLast(({ type }) => !type.startsWith('confed'))
  return last?.type === 'sequence' ? last.asns.at(-1) : undefined
}

/** The AS that a route came from; undefined for an empty path and one that begins with a set. */
export function neighborAs(path: AsPath): number | undefined {
  const first = path.find(({ type }) => !type.startsWith('confed'))
  return first?.type === 'sequence' ? first.asns[0] : undefined
}

const BRACKETS = {
  sequence: ['', ' ', ''],
  set: ['{', ',', '}'],
  confedSequence: ['(', ' ', ')'],
  confedSet: ['[', ',', ']'],
} as const

/** `65001 65002 {65003,65004}`, confederation segments as `(1 2)` and `[1,2]`: what expressions are matched against. */
export function asPathText(path: AsPath): string {
  return path
    .map(({ type, asns }) => {
      const [open, comma, close] = BRACKETS[type]
      return `${open}${asns.join(comma)}${close}`
    })
    .join(' ')
}

/** RFC 6996 and the last number of each size (RFC 7300). */
export function isPrivateAs(asn: number): boolean {
  return (asn >= 64512 && asn <= 65535) || (asn >= 4200000000 && asn <= 0xffffffff)
}

/** The path with `asns` in front, in its first sequence where it has one. */
export function prependAs(path: AsPath, asns: readonly number[]): AsPath {
  const [first, ...rest] = path
  if (asns.length === 0) return path
  if (first?.type === 'sequence') return [{ type: 'sequence', asns: [...asns, ...first.asns] }, ...rest]
  return [{ type: 'sequence', asns: [...asns] }, ...path]
}
