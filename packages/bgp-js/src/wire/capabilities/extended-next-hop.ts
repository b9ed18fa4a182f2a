import { afiOf, SAFI_UNICAST } from '../address-family.ts'
import { defineCapability } from './capability.ts'

/** Extended Next Hop Encoding, RFC 8950 §4: (NLRI AFI, NLRI SAFI, next hop AFI), six octets each. */
export const extendedNextHop = defineCapability({
  code: 5,
  name: 'extendedNextHop',
  decode: (reader) => {
    let ipv4OverIpv6 = false
    while (reader.remaining > 0) {
      const [afi, safi, nextHopAfi] = [reader.u16(), reader.u16(), reader.u16()]
      if (afi === afiOf(4) && safi === SAFI_UNICAST && nextHopAfi === afiOf(6)) ipv4OverIpv6 = true
    }
    return { name: 'extendedNextHop', ipv4OverIpv6 }
  },
  encode: (writer, value) => {
    if (!value.ipv4OverIpv6) return
    writer.u16(afiOf(4))
    writer.u16(SAFI_UNICAST)
    writer.u16(afiOf(6))
  },
})
