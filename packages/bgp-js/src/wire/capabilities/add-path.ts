import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { type AddPathFamily, defineCapability } from './capability.ts'

const RECEIVE = 1
const SEND = 2

/** ADD-PATH, RFC 7911 §4. Families that we don't carry are left out. */
export const addPath = defineCapability({
  code: 69,
  name: 'addPath',
  decode: (reader) => {
    const families: AddPathFamily[] = []
    while (reader.remaining > 0) {
      const family = familyOf(reader.u16(), reader.u8())
      const mode = reader.u8()
      // RFC 7911 §4: any value but 1, 2, 3 and the capability counts as not understood.
      if (mode < 1 || mode > 3) return undefined
      if (family === undefined || families.some((known) => known.family === family)) continue
      families.push({ family, send: (mode & SEND) !== 0, receive: (mode & RECEIVE) !== 0 })
    }
    return { name: 'addPath', families }
  },
  encode: (writer, value) => {
    for (const { family, send, receive } of value.families) {
      writer.u16(afiOf(family))
      writer.u8(SAFI_UNICAST)
      writer.u8((send ? SEND : 0) | (receive ? RECEIVE : 0))
    }
  },
})
