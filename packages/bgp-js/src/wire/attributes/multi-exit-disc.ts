import { defineAttribute, Flag } from '../attribute-codec.ts'

/** MULTI_EXIT_DISC, RFC 4271 §5.1.4; severity RFC 7606 §7.4. */
export const multiExitDisc = defineAttribute({
  code: 4,
  name: 'MULTI_EXIT_DISC',
  field: 'med',
  flags: Flag.Optional,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) => reader.u32(),
  encode: (writer, value) => writer.u32(value),
})
