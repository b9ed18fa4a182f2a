import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { defineCapability, type LongLivedFamily } from './capability.ts'

const FORWARDING_PRESERVED = 0x80
const MAX_STALE_TIME = 0xffffff

/** Long-Lived Graceful Restart, RFC 9494 §3. Families that we don't carry are left out. */
export const longLivedGracefulRestart = defineCapability({
  code: 71,
  name: 'longLivedGracefulRestart',
  decode: (reader) => {
    const families: LongLivedFamily[] = []
    while (reader.remaining > 0) {
      const family = familyOf(reader.u16(), reader.u8())
      const flags = reader.u8()
      const staleTimeSeconds = (reader.u8() << 16) | reader.u16()
      if (family === undefined || families.some((known) => known.family === family)) continue
      families.push({ family, forwardingPreserved: (flags & FORWARDING_PRESERVED) !== 0, staleTimeSeconds })
    }
    return { name: 'longLivedGracefulRestart', families }
  },
  encode: (writer, value) => {
    for (const { family, forwardingPreserved, staleTimeSeconds } of value.families) {
      const seconds = Math.min(staleTimeSeconds, MAX_STALE_TIME)
      writer.u16(afiOf(family))
      writer.u8(SAFI_UNICAST)
      writer.u8(forwardingPreserved ? FORWARDING_PRESERVED : 0)
      writer.u8(seconds >>> 16)
      writer.u16(seconds & 0xffff)
    }
  },
})
