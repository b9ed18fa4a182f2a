import { defineAttribute, Flag } from '../attribute-codec.ts'
import type { ByteReader } from '../byte-reader.ts'
import { ipv4Text, ipv4Value } from '../ip-text.ts'
import { type Aggregator, AS_TRANS } from '../path-attributes.ts'

/** AGGREGATOR, RFC 4271 §5.1.7; severity RFC 7606 §7.7. */
export const aggregator = defineAttribute({
  code: 7,
  name: 'AGGREGATOR',
  field: 'aggregator',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'attribute-discard',
  decode: (reader, session) => decodeAggregator(reader, session.fourOctetAs ? 4 : 2),
  encode: (writer, value, session) => {
    if (session.fourOctetAs) writer.u32(value.asn)
    else writer.u16(value.asn > 0xffff ? AS_TRANS : value.asn)
    writer.u32(ipv4Value(value.address))
  },
})

/** AS4_AGGREGATOR, RFC 6793 §3; malformed ones are dropped (§6). */
export const as4Aggregator = defineAttribute({
  code: 18,
  name: 'AS4_AGGREGATOR',
  field: 'as4Aggregator',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'attribute-discard',
  twoOctetOnly: true,
  decode: (reader) => decodeAggregator(reader, 4),
  encode: (writer, value) => {
    writer.u32(value.asn)
    writer.u32(ipv4Value(value.address))
  },
})

function decodeAggregator(reader: ByteReader, width: 2 | 4): Aggregator {
  const asn = width === 4 ? reader.u32() : reader.u16()
  return { asn, address: ipv4Text(reader.u32()) }
}
