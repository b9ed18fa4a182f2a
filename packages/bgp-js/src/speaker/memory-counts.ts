import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import type { SpeakerContext } from './context.ts'

/** How much the tables of a speaker hold: back to what it was once those who filled them are gone. */
export interface MemoryCounts {
  readonly peers: number
  /** Distinct sets of path attributes that somebody holds. */
  readonly attributeSets: number
  /** Prefixes that some table holds. */
  readonly prefixes: Readonly<Record<FamilyName, number>>
  /** Attribute sets as peers are sent them, encoded. */
  readonly outBlocks: Readonly<Record<FamilyName, number>>
}

export function countMemory({ locRib, updateGroups }: SpeakerContext, peers: number): MemoryCounts {
  const byFamily = (count: (family: 4 | 6) => number): Record<FamilyName, number> => {
    const counts = { ipv4: 0, ipv6: 0 }
    for (const family of FAMILIES) counts[familyName(family)] = count(family)
    return counts
  }
  return {
    peers,
    attributeSets: locRib.attributes.size,
    prefixes: byFamily((family) => locRib.family(family).prefixes.size),
    outBlocks: byFamily((family) => updateGroups[family].blockCount),
  }
}
