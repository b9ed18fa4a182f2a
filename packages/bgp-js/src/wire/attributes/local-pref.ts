import { defineAttribute, Flag } from '../attribute-codec.ts'

/** LOCAL_PREF, RFC 4271 §5.1.5; severity RFC 7606 §7.5. */
export const localPref = defineAttribute({
  code: 5,
  name: 'LOCAL_PREF',
  field: 'localPref',
  flags: Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  internalOnly: true,
  decode: (reader) => reader.u32(),
  encode: (writer, value) => writer.u32(value),
})
