import { defineCapability } from './capability.ts'

/** Four-octet AS numbers, RFC 6793 §3. */
export const fourOctetAs = defineCapability({
  code: 65,
  name: 'fourOctetAs',
  decode: (reader) => ({ name: 'fourOctetAs', asn: reader.u32() }),
  encode: (writer, value) => writer.u32(value.asn),
})
