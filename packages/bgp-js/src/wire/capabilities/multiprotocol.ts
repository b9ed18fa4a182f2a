import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { defineCapability } from './capability.ts'

/** Multiprotocol Extensions, RFC 4760 §8. Families that we don't carry are ignored. */
export const multiprotocol = defineCapability({
  code: 1,
  name: 'multiprotocol',
  decode: (reader) => {
    const afi = reader.u16()
    reader.u8()
    const family = familyOf(afi, reader.u8())
    return family === undefined ? undefined : { name: 'multiprotocol', family }
  },
  encode: (writer, value) => {
    writer.u16(afiOf(value.family))
    writer.u8(0)
    writer.u8(SAFI_UNICAST)
  },
})
