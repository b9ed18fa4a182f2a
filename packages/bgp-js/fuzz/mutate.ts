import { read16, u16 } from './octets.ts'
import type { Random } from './random.ts'

/** A damaged copy of one of `corpus`: bits, cuts, splices, lengths that lie. The header is mostly put right again. */
export function mutate(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let octets = [...random.pick(corpus)]
  const edits = random.once(3) ? 1 + random.below(4) : 1
  for (let left = edits; left > 0; left--) octets = edit(random, octets, corpus)
  const keepsHeader = !random.once(60)
  if (octets.length > 4096 || octets.length < 19) octets = [...random.pick(corpus)]
  if (!keepsHeader) return Uint8Array.from(octets)
  return Uint8Array.from([...Array.from({ length: 16 }, () => 255), ...u16(octets.length), ...octets.slice(18)])
}

function edit(random: Random, octets: number[], corpus: readonly Uint8Array[]): number[] {
  if (octets.length <= 19) return octets
  // The first four octets of a body are lengths, where a random value is the end of most sessions.
  const at = 19 + (random.once(12) ? 0 : Math.min(4, octets.length - 20)) + random.below(octets.length - 19)
  const place = Math.min(at, octets.length - 1)
  switch (random.below(8)) {
    case 0:
    case 1:
      octets[place] = (octets[place] as number) ^ (1 << random.below(8))
      return octets
    case 2:
      octets[place] = random.pick([0, 1, 2, 127, 128, 254, 255, random.below(256)])
      return octets
    case 3:
      return octets.slice(0, place)
    case 4: {
      const other = random.pick(corpus)
      return [...octets.slice(0, place), ...other.subarray(19 + random.below(Math.max(1, other.length - 19)))]
    }
    case 5:
      octets.splice(place, random.below(4), ...random.octets(random.below(4)))
      return octets
    case 6:
      return [...octets.slice(0, place), ...octets.slice(place, place + random.below(12)), ...octets.slice(place)]
    default:
      return listLengthLie(random, octets)
  }
}

/** Moves the border between attributes and NLRI by a little. */
function listLengthLie(random: Random, octets: number[]): number[] {
  const at = 21 + read16(octets, 19)
  if (octets[18] !== 2 || at + 2 > octets.length) return octets
  const lie = Math.max(0, read16(octets, at) + random.below(9) - 4)
  octets.splice(at, 2, ...u16(lie))
  return octets
}
