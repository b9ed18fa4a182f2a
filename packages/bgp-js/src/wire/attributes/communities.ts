import { defineAttribute, Flag, itemCount, readItems } from '../attribute-codec.ts'
import type { LargeCommunity } from '../path-attributes.ts'

/** COMMUNITIES, RFC 1997; severity RFC 7606 §7.8. */
export const communities = defineAttribute({
  code: 8,
  name: 'COMMUNITIES',
  field: 'communities',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) => readItems(itemCount(reader, 4), () => reader.u32()),
  encode: (writer, value) => {
    for (const community of value) writer.u32(community)
  },
})

/** EXTENDED COMMUNITIES, RFC 4360, carried without interpretation; severity RFC 7606 §7.14. */
export const extendedCommunities = defineAttribute({
  code: 16,
  name: 'EXTENDED_COMMUNITIES',
  field: 'extendedCommunities',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) => readItems(itemCount(reader, 8), () => Buffer.from(reader.view(8)).toString('hex')),
  encode: (writer, value) => {
    for (const community of value) writer.bytes(Buffer.from(community, 'hex'))
  },
})

/** LARGE_COMMUNITY, RFC 8092; severity its §6. */
export const largeCommunities = defineAttribute({
  code: 32,
  name: 'LARGE_COMMUNITY',
  field: 'largeCommunities',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) =>
    readItems(itemCount(reader, 12), (): LargeCommunity => [reader.u32(), reader.u32(), reader.u32()]),
  encode: (writer, value) => {
    for (const community of value) for (const part of community) writer.u32(part)
  },
})
