import { Prefix } from '@margay/net'
import type { DecisionRules } from '../../src/rib/decision.ts'
import type { AcceptedPath, PathSource } from '../../src/rib/path.ts'
import { ipv4Value } from '../../src/wire/ip-text.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import { keyOfPrefix, type PrefixKey } from '../../src/wire/prefix-key.ts'

export const RULES: DecisionRules = {
  multipath: false,
  alwaysCompareMed: false,
  defaultLocalPref: 100,
  nextHopMetric: () => 0,
}

export const key = (prefix: string): PrefixKey => keyOfPrefix(Prefix.parse(prefix))

export function source(id: string, more: Partial<Omit<PathSource, 'id'>> & { routerIdText?: string } = {}): PathSource {
  const { routerIdText = id, ...rest } = more
  const routerId = id === 'local' ? 0 : ipv4Value(routerIdText)
  const addressValue = id === 'local' ? 0n : BigInt(ipv4Value(id))
  return { id, kind: 'external', asn: 65002, routerId, addressValue, client: false, ...rest }
}

export const attributes = (more: Partial<PathAttributes> = {}): PathAttributes => ({
  origin: 0,
  asPath: [{ type: 'sequence', asns: [65002] }],
  nextHop: '10.9.0.1',
  ...more,
})

export function path(from: PathSource, more: Partial<PathAttributes> = {}, prefix = '10.0.0.0/24'): AcceptedPath {
  const own = attributes(more)
  return { key: key(prefix), source: from, received: own, attributes: own, refused: undefined, generation: 0 }
}
