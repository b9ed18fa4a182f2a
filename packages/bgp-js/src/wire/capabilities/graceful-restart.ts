import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { defineCapability, type RestartFamily } from './capability.ts'

const RESTARTING = 0x8000
const NOTIFICATION = 0x4000
const TIME_MASK = 0x0fff
const FORWARDING_PRESERVED = 0x80

/** Graceful Restart, RFC 4724 §3, with the N bit of RFC 8538 §2. Families that we don't carry are left out. */
export const gracefulRestart = defineCapability({
  code: 64,
  name: 'gracefulRestart',
  decode: (reader) => {
    const head = reader.u16()
    const families: RestartFamily[] = []
    while (reader.remaining > 0) {
      const family = familyOf(reader.u16(), reader.u8())
      const flags = reader.u8()
      if (family === undefined || families.some((known) => known.family === family)) continue
      families.push({ family, forwardingPreserved: (flags & FORWARDING_PRESERVED) !== 0 })
    }
    return {
      name: 'gracefulRestart',
      restarting: (head & RESTARTING) !== 0,
      notification: (head & NOTIFICATION) !== 0,
      restartTimeSeconds: head & TIME_MASK,
      families,
    }
  },
  encode: (writer, value) => {
    const bits = (value.restarting ? RESTARTING : 0) | (value.notification ? NOTIFICATION : 0)
    writer.u16(bits | Math.min(value.restartTimeSeconds, TIME_MASK))
    for (const { family, forwardingPreserved } of value.families) {
      writer.u16(afiOf(family))
      writer.u8(SAFI_UNICAST)
      writer.u8(forwardingPreserved ? FORWARDING_PRESERVED : 0)
    }
  },
})
