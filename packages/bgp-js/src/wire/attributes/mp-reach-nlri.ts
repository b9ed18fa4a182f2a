import type { Family } from '@margay/net'
import { afiOf, familyOf, SAFI_UNICAST } from '../address-family.ts'
import { badAttribute, defineAttribute, Flag } from '../attribute-codec.ts'
import type { ByteReader } from '../byte-reader.ts'
import { addressOctets, addressText } from '../ip-text.ts'
import { decodeNlri, nlriLength, writeNlri } from '../nlri.ts'
import type { NextHop } from '../path-attributes.ts'
import type { PrefixKey } from '../prefix-key.ts'

/** MP_REACH_NLRI, RFC 4760 §3 and RFC 2545; a broken one hides its prefixes: session reset (RFC 7606 §7.11). */
export const mpReachNlri = defineAttribute({
  code: 14,
  name: 'MP_REACH_NLRI',
  field: 'mpReach',
  flags: Flag.Optional,
  onMalformed: 'session-reset',
  decode: (reader) => {
    const family = familyOf(reader.u16(), reader.u8())
    const hop = reader.sub(reader.u8())
    reader.u8()
    // A family we never negotiated is not read any further: RFC 4760 §7 lets it be ignored.
    if (family === undefined) {
      reader.view(reader.remaining)
      return 'unsupported'
    }
    return { family, nextHop: decodeNextHop(hop, family), keys: decodeNlri(reader, family) }
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
    writer.bytes(nlriOctets(value.keys))
  },
})

/** MP_UNREACH_NLRI, RFC 4760 §4; severity as above (RFC 7606 §7.12). */
export const mpUnreachNlri = defineAttribute({
  code: 15,
  name: 'MP_UNREACH_NLRI',
  field: 'mpUnreach',
  flags: Flag.Optional,
  onMalformed: 'session-reset',
  decode: (reader) => {
    const family = familyOf(reader.u16(), reader.u8())
    if (family === undefined) {
      reader.view(reader.remaining)
      return 'unsupported'
    }
    return { family, keys: decodeNlri(reader, family) }
  },
  encode: (writer, value) => {
    if (value === 'unsupported') return
    writer.u16(afiOf(value.family))
    writer.u8(SAFI_UNICAST)
    writer.bytes(nlriOctets(value.keys))
  },
})

function decodeNextHop(reader: ByteReader, family: Family): NextHop {
  const length = reader.remaining
  if (family === 4) {
    if (length !== 4) throw badAttribute(`IPv4 next hop of ${length} octets`, 9)
    return { address: addressText(reader.view(4)) }
  }
  if (length !== 16 && length !== 32) throw badAttribute(`IPv6 next hop of ${length} octets`, 9)
  const address = addressText(reader.view(16))
  return length === 16 ? { address } : { address, linkLocal: addressText(reader.view(16)) }
}

/** NLRI octets of `keys`. */
function nlriOctets(keys: readonly PrefixKey[]): Uint8Array {
  const bytes = new Uint8Array(keys.reduce<number>((sum, key) => sum + nlriLength(key), 0))
  let at = 0
  for (const key of keys) at = writeNlri(bytes, at, key)
  return bytes
}
