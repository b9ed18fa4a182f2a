import { defineAttribute, Flag, itemCount, readItems } from '../attribute-codec.ts'
import { ipv4Text, ipv4Value } from '../ip-text.ts'

/** ORIGINATOR_ID, RFC 4456 §8; severity RFC 7606 §7.9. */
export const originatorId = defineAttribute({
  code: 9,
  name: 'ORIGINATOR_ID',
  field: 'originatorId',
  flags: Flag.Optional,
  onMalformed: 'treat-as-withdraw',
  internalOnly: true,
  decode: (reader) => ipv4Text(reader.u32()),
  encode: (writer, value) => writer.u32(ipv4Value(value)),
})

/** CLUSTER_LIST, RFC 4456 §8; severity RFC 7606 §7.10. */
export const clusterList = defineAttribute({
  code: 10,
  name: 'CLUSTER_LIST',
  field: 'clusterList',
  flags: Flag.Optional,
  onMalformed: 'treat-as-withdraw',
  internalOnly: true,
  decode: (reader) => readItems(itemCount(reader, 4), () => ipv4Text(reader.u32())),
  encode: (writer, value) => {
    for (const id of value) writer.u32(ipv4Value(id))
  },
})
