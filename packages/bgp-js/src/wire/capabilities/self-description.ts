import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { defineCapability } from './capability.ts'

/** Fit for one log line: invalid UTF-8 replaced, control characters taken out. */
function label(reader: ByteReader): string {
  const octets = reader.view(reader.u8())
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return new TextDecoder().decode(octets).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

const writeLabel = (writer: ByteWriter, text: string): void =>
  writer.lengthPrefixed(1, () => writer.bytes(new TextEncoder().encode(text).subarray(0, 64)))

/** FQDN, draft-walton-bgp-hostname-capability: who the peer says it is; for display alone. */
export const fqdn = defineCapability({
  code: 73,
  name: 'fqdn',
  decode: (reader) => ({ name: 'fqdn', hostname: label(reader), domain: label(reader) }),
  encode: (writer, value) => {
    writeLabel(writer, value.hostname)
    writeLabel(writer, value.domain)
  },
})

/** Software Version, draft-abraitis-bgp-version-capability; for display alone. */
export const softwareVersion = defineCapability({
  code: 75,
  name: 'softwareVersion',
  decode: (reader) => ({ name: 'softwareVersion', version: label(reader) }),
  encode: (writer, value) => writeLabel(writer, value.version),
})
