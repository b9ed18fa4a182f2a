import { badAttribute, defineAttribute, Flag, readItems } from '../attribute-codec.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { AS_TRANS, type AsPathSegment } from '../path-attributes.ts'

const SEGMENT_TYPES = [undefined, 'set', 'sequence', 'confedSequence', 'confedSet'] as const
const MAX_SEGMENT_ASNS = 255

/** AS_PATH, RFC 4271 §5.1.2; two or four octets an AS by RFC 6793; severity RFC 7606 §7.2. */
export const asPath = defineAttribute({
  code: 2,
  name: 'AS_PATH',
  field: 'asPath',
  flags: Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader, session) => decodeSegments(reader, session.fourOctetAs ? 4 : 2),
  encode: (writer, value, session) => encodeSegments(writer, value, session.fourOctetAs ? 4 : 2),
})

/** AS4_PATH, RFC 6793 §3; malformed ones are dropped (§6), as are confederation segments (§3). */
export const as4Path = defineAttribute({
  code: 17,
  name: 'AS4_PATH',
  field: 'as4Path',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'attribute-discard',
  twoOctetOnly: true,
  decode: (reader) => decodeSegments(reader, 4).filter((segment) => !segment.type.startsWith('confed')),
  encode: (writer, value) => encodeSegments(writer, value, 4),
})

function decodeSegments(reader: ByteReader, width: 2 | 4): AsPathSegment[] {
  const segments: AsPathSegment[] = []
  while (reader.remaining > 0) {
    const code = reader.u8()
    const type = SEGMENT_TYPES[code]
    const count = reader.u8()
    if (type === undefined) throw badAttribute(`AS_PATH segment type ${code}`, 11)
    if (count === 0) throw badAttribute('empty AS_PATH segment', 11)
    if (count * width > reader.remaining) throw badAttribute('AS_PATH segment overruns its attribute', 11)
    segments.push({ type, asns: readItems(count, () => (width === 4 ? reader.u32() : reader.u16())) })
  }
  return segments
}

function encodeSegments(writer: ByteWriter, segments: readonly AsPathSegment[], width: 2 | 4): void {
  for (const segment of segments) {
    for (let at = 0; at < segment.asns.length; at += MAX_SEGMENT_ASNS) {
      const asns = segment.asns.slice(at, at + MAX_SEGMENT_ASNS)
      writer.u8(SEGMENT_TYPES.indexOf(segment.type))
      writer.u8(asns.length)
      for (const asn of asns) {
        if (width === 4) writer.u32(asn)
        else writer.u16(asn > 0xffff ? AS_TRANS : asn)
      }
    }
  }
}
