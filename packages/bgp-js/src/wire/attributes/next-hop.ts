import { badAttribute, defineAttribute, Flag } from '../attribute-codec.ts'
import { ipv4Text, ipv4Value } from '../ip-text.ts'

/** NEXT_HOP, RFC 4271 §5.1.3; severity RFC 7606 §7.3. */
export const nextHop = defineAttribute({
  code: 3,
  name: 'NEXT_HOP',
  field: 'nextHop',
  flags: Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) => {
    const value = reader.u32()
    // 0.0.0.0, 224.0.0.0/4 and above can't be a host. Loopback can: it is what speakers of one machine use.
    if (value === 0 || value >>> 28 >= 0xe) throw badAttribute(`NEXT_HOP ${ipv4Text(value)} is not a host`, 8)
    return ipv4Text(value)
  },
  encode: (writer, value) => writer.u32(ipv4Value(value)),
})
