import type { AttributeCodec } from '../attribute-codec.ts'
import { aggregator, as4Aggregator } from './aggregator.ts'
import { as4Path, asPath } from './as-path.ts'
import { atomicAggregate } from './atomic-aggregate.ts'
import { communities, extendedCommunities, largeCommunities } from './communities.ts'
import { localPref } from './local-pref.ts'
import { mpReachNlri, mpUnreachNlri } from './mp-reach-nlri.ts'
import { multiExitDisc } from './multi-exit-disc.ts'
import { nextHop } from './next-hop.ts'
import { onlyToCustomer } from './only-to-customer.ts'
import { origin } from './origin.ts'
import { clusterList, originatorId } from './reflection.ts'

// Each codec is exact in its own field; the table forgets which, and looks fields up by `codec.field` alone.
const codecs: readonly unknown[] = [
  origin,
  asPath,
  nextHop,
  multiExitDisc,
  localPref,
  atomicAggregate,
  aggregator,
  communities,
  originatorId,
  clusterList,
  mpReachNlri,
  mpUnreachNlri,
  extendedCommunities,
  as4Path,
  as4Aggregator,
  largeCommunities,
  onlyToCustomer,
]

/** Every known path attribute in ascending order of code, the order in which they are sent (RFC 4271 §5). */
export const ATTRIBUTES = codecs as readonly AttributeCodec[]

const BY_CODE: (AttributeCodec | undefined)[] = []
for (const codec of ATTRIBUTES) BY_CODE[codec.code] = codec

export const attributeByCode = (code: number): AttributeCodec | undefined => BY_CODE[code]
