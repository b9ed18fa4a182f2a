import { defineAttribute, Flag } from '../attribute-codec.ts'

/** ONLY_TO_CUSTOMER, RFC 9234 §5; severity there too. */
export const onlyToCustomer = defineAttribute({
  code: 35,
  name: 'ONLY_TO_CUSTOMER',
  field: 'onlyToCustomer',
  flags: Flag.Optional | Flag.Transitive,
  onMalformed: 'treat-as-withdraw',
  decode: (reader) => reader.u32(),
  encode: (writer, value) => writer.u32(value),
})
