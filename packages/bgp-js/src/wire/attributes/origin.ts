import { badAttribute, defineAttribute, Flag } from '../attribute-codec.ts'
import type { Origin } from '../path-attributes.ts'

/** ORIGIN, RFC 4271 §5.1.1; severity RFC 7606 §7.1. */
export const origin = defineAttribute({
  code: 1,
  name: 'ORIGIN',
  field: 'origin',
  flags: Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) => {
    const value = reader.u8()
    if (value > 2) throw badAttribute(`ORIGIN ${value}`, 6)
    return value as Origin
  },
  encode: (writer, value) => writer.u8(value),
})
