import type { Family } from '@margay/net'
import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { badAttribute, defineAttribute, Flag, type WireSession } from '../attribute-codec.ts'
import type { ByteReader } from '../byte-reader.ts'
import { addressOctets, addressText } from '../ip-text.ts'
import { decodeNlri } from '../nlri.ts'
import type { NextHop } from '../path-attributes.ts'

/** MP_REACH_NLRI, RFC 4760 §3 and RFC 2545; a broken one hides its prefixes: session reset (RFC 7606 §7.11). */
export const mpReachNlri = defineAttribute({
  code: 14,
  name: 'MP_REACH_NLRI',
  field: 'mpReach',
  flags: Flag.Optional,
  onMalformed: 'session-reset',
  decode: (reader, session) => {
    const family = familyOf(reader.u16(), reader.u8())
    const hop = reader.sub(reader.u8())
    reader.u8()
    // A family we never negotiated is not read any further: RFC 4760 §7 lets it be ignored.
    if (family === undefined) {
      reader.view(reader.remaining)
      return 'unsupported'
    }
    const nextHop = decodeNextHop(hop, family, session.extendedNextHop === true)
    return {
      family,
      nextHop,
      nlri: decodeNlri(reader.range(reader.remaining), family, receivesPathIds(session, family)),
    }
  },
  encode: (writer, value) => {
    if (value === 'unsupported') return
    writer.u16(afiOf(value.family))
    writer.u8(SAFI_UNICAST)
    writer.lengthPrefixed(1, () => {
      writer.bytes(addressOctets(value.nextHop.address))
      if (value.nextHop.linkLocal !== undefined) writer.bytes(addressOctets(value.nextHop.linkLocal))
    })
    writer.u8(0)
    writer.bytes(value.nlri.octets.subarray(value.nlri.start, value.nlri.end))
  },
})

/** MP_UNREACH_NLRI, RFC 4760 §4; severity as above (RFC 7606 §7.12). */
export const mpUnreachNlri = defineAttribute({
  code: 15,
  name: 'MP_UNREACH_NLRI',
  field: 'mpUnreach',
  flags: Flag.Optional,
  onMalformed: 'session-reset',
  decode: (reader, session) => {
    const family = familyOf(reader.u16(), reader.u8())
    if (family === undefined) {
      reader.view(reader.remaining)
      return 'unsupported'
    }
    return { family, nlri: decodeNlri(reader.range(reader.remaining), family, receivesPathIds(session, family)) }
  },
  encode: (writer, value) => {
    if (value === 'unsupported') return
    writer.u16(afiOf(value.family))
    writer.u8(SAFI_UNICAST)
    writer.bytes(value.nlri.octets.subarray(value.nlri.start, value.nlri.end))
  },
})

/** Whether prefixes of `family` come with path identifiers (RFC 7911). */
export const receivesPathIds = (session: WireSession, family: Family): boolean =>
  session.addPath?.receive.includes(family) === true

function decodeNextHop(reader: ByteReader, family: Family, extended: boolean): NextHop {
  const length = reader.remaining
  if (family === 4 && length === 4) return { address: addressText(reader.view(4)) }
  if (family === 4 && !extended) throw badAttribute(`IPv4 next hop of ${length} octets`, 9)
  if (length !== 16 && length !== 32) throw badAttribute(`IPv6 next hop of ${length} octets`, 9)
  const address = addressText(reader.view(16))
  return length === 16 ? { address } : { address, linkLocal: addressText(reader.view(16)) }
}
