import { BgpMessageError } from '../../errors.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { addPath } from './add-path.ts'
import type { Capability, CapabilityCodec } from './capability.ts'
import { extendedNextHop } from './extended-next-hop.ts'
import { enhancedRefresh, extendedMessages, routeRefresh } from './flags.ts'
import { fourOctetAs } from './four-octet-as.ts'
import { gracefulRestart } from './graceful-restart.ts'
import { longLivedGracefulRestart } from './long-lived-graceful-restart.ts'
import { multiprotocol } from './multiprotocol.ts'
import { role } from './role.ts'
import { fqdn, softwareVersion } from './self-description.ts'

// Each codec is exact in its own capability; the table forgets which.
const codecs: readonly unknown[] = [
  multiprotocol,
  routeRefresh,
  extendedNextHop,
  extendedMessages,
  role,
  gracefulRestart,
  fourOctetAs,
  addPath,
  enhancedRefresh,
  longLivedGracefulRestart,
  fqdn,
  softwareVersion,
]
const CAPABILITIES = codecs as readonly CapabilityCodec[]

/**
 * Reads capabilities to the end of `reader`. A known one whose value is malformed is ignored, not fatal: its octets stay
 * within its own length, and RFC 5492 gives no error for it.
 * @throws {BgpMessageError} when a length runs out of the parameter
 */
export function decodeCapabilities(reader: ByteReader): Capability[] {
  const capabilities: Capability[] = []
  while (reader.remaining > 0) {
    const code = reader.u8()
    const value = reader.sub(reader.u8())
    const decoded = decodeOne(code, value)
    if (decoded !== undefined) capabilities.push(decoded)
  }
  return capabilities
}

export function encodeCapability(writer: ByteWriter, capability: Capability): void {
  if (capability.name === 'unknown') {
    writer.u8(capability.code)
    writer.lengthPrefixed(1, () => writer.bytes(Buffer.from(capability.value, 'hex')))
    return
  }
  const codec = CAPABILITIES.find((candidate) => candidate.name === capability.name) as CapabilityCodec
  writer.u8(codec.code)
  writer.lengthPrefixed(1, () => codec.encode(writer, capability))
}

function decodeOne(code: number, value: ByteReader): Capability | undefined {
  const codec = CAPABILITIES.find((candidate) => candidate.code === code)
  if (codec === undefined) {
    return { name: 'unknown', code, value: Buffer.from(value.view(value.remaining)).toString('hex') }
  }
  try {
    const decoded = codec.decode(value)
    return value.remaining === 0 ? decoded : undefined
  } catch (error) {
    if (error instanceof BgpMessageError) return undefined
    throw error
  }
}
