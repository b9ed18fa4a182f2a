import type { Family } from '@margay/net'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'

/** One family of the Graceful Restart capability. */
export interface RestartFamily {
  readonly family: Family
  /** F bit: forwarding state was kept over the restart. */
  readonly forwardingPreserved: boolean
}

/** One family of the ADD-PATH capability, as its sender sees it. */
export interface AddPathFamily {
  readonly family: Family
  readonly send: boolean
  readonly receive: boolean
}

/** One family of the Long-Lived Graceful Restart capability. */
export interface LongLivedFamily {
  readonly family: Family
  /** F bit: forwarding state was kept over the restart. */
  readonly forwardingPreserved: boolean
  /** 24 bits. */
  readonly staleTimeSeconds: number
}

/** A capability out of OPEN (RFC 5492). Those that this speaker doesn't know keep their octets, as hexadecimal text. */
export type Capability =
  | { readonly name: 'multiprotocol'; readonly family: Family }
  | { readonly name: 'routeRefresh' }
  | { readonly name: 'enhancedRefresh' }
  | { readonly name: 'extendedMessages' }
  | {
      readonly name: 'gracefulRestart'
      /** R bit. */
      readonly restarting: boolean
      /** N bit (RFC 8538). */
      readonly notification: boolean
      readonly restartTimeSeconds: number
      readonly families: readonly RestartFamily[]
    }
  | { readonly name: 'longLivedGracefulRestart'; readonly families: readonly LongLivedFamily[] }
  | { readonly name: 'fourOctetAs'; readonly asn: number }
  | { readonly name: 'addPath'; readonly families: readonly AddPathFamily[] }
  /** `ipv4OverIpv6`: IPv4 unicast routes may have IPv6 next hops. */
  | { readonly name: 'extendedNextHop'; readonly ipv4OverIpv6: boolean }
  /** Value of the registry of RFC 9234 §8.2. */
  | { readonly name: 'role'; readonly value: number }
  | { readonly name: 'fqdn'; readonly hostname: string; readonly domain: string }
  | { readonly name: 'softwareVersion'; readonly version: string }
  | { readonly name: 'unknown'; readonly code: number; readonly value: string }

export type CapabilityName = Exclude<Capability['name'], 'unknown'>

/** How one capability is read and written. `decode` returns undefined for one that is to be ignored. */
export interface CapabilityCodec<N extends CapabilityName = CapabilityName> {
  readonly code: number
  readonly name: N
  decode(reader: ByteReader): Extract<Capability, { name: N }> | undefined
  encode(writer: ByteWriter, value: Extract<Capability, { name: N }>): void
}

export const defineCapability = <N extends CapabilityName>(codec: CapabilityCodec<N>): CapabilityCodec<N> => codec
