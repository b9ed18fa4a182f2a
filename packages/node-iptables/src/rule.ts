import type { Address, Prefix } from '@margay/net'

/** A protocol by name, or by number for one that has none here. */
export type Protocol = 'tcp' | 'udp' | 'udplite' | 'sctp' | 'dccp' | 'icmp' | 'icmpv6' | 'ipip' | 'esp' | 'ah' | number

/** One port, or an inclusive range. */
export type Ports = number | { readonly first: number; readonly last: number }

export type ConnectionState = 'NEW' | 'ESTABLISHED' | 'RELATED' | 'INVALID' | 'UNTRACKED' | 'SNAT' | 'DNAT'

export type AddressType =
  | 'UNSPEC'
  | 'UNICAST'
  | 'LOCAL'
  | 'BROADCAST'
  | 'ANYCAST'
  | 'MULTICAST'
  | 'BLACKHOLE'
  | 'UNREACHABLE'
  | 'PROHIBIT'

interface Negatable {
  /** The rule matches what this does not match. */
  readonly negated?: boolean
}

/** One condition. All conditions of a rule must hold. */
export type Match =
  /** A device; a trailing `+` stands for any rest of the name. */
  | ({ readonly kind: 'inInterface' | 'outInterface'; readonly name: string } & Negatable)
  | ({ readonly kind: 'source' | 'destination'; readonly prefix: Prefix } & Negatable)
  | ({ readonly kind: 'protocol'; readonly protocol: Protocol } & Negatable)
  /** Needs a protocol with ports in the same rule. At most 15 slots; a range takes two. */
  | ({ readonly kind: 'sourcePorts' | 'destinationPorts'; readonly ports: readonly Ports[] } & Negatable)
  /** One flag per dimension of the set: `['src']`, or `['dst', 'dst']` for hash:ip,port. */
  | ({ readonly kind: 'ipSet'; readonly name: string; readonly flags: readonly ('src' | 'dst')[] } & Negatable)
  | ({ readonly kind: 'mark'; readonly value: number; readonly mask: number } & Negatable)
  | ({ readonly kind: 'connectionMark'; readonly value: number; readonly mask: number } & Negatable)
  | ({ readonly kind: 'connectionState'; readonly states: readonly ConnectionState[] } & Negatable)
  | { readonly kind: 'connectionDirection'; readonly direction: 'original' | 'reply' }
  /** Where the connection went before DNAT. */
  | ({ readonly kind: 'originalDestination'; readonly prefix: Prefix } & Negatable)
  | ({ readonly kind: 'originalDestinationPorts'; readonly ports: Ports } & Negatable)
  /** Needs protocol icmp (IPv4) or icmpv6 (IPv6) in the same rule. */
  | ({ readonly kind: 'icmpType'; readonly type: number; readonly code?: number } & Negatable)
  /** Matches what passes the reverse path test; `invert` matches what fails it. Table raw or mangle, PREROUTING. */
  | {
      readonly kind: 'reversePath'
      readonly invert?: boolean
      readonly validMark?: boolean
      readonly loose?: boolean
      readonly acceptLocal?: boolean
    }
  | ({
      readonly kind: 'addressType'
      readonly side: 'source' | 'destination'
      readonly type: AddressType
      readonly limitTo?: 'in' | 'out'
    } & Negatable)
  | {
      readonly kind: 'limit'
      readonly rate: number
      readonly per: 'second' | 'minute' | 'hour' | 'day'
      readonly burst?: number
    }

/** How a refused packet is answered, named alike for both families. */
export type RejectWith = 'port-unreachable' | 'host-unreachable' | 'net-unreachable' | 'admin-prohibited' | 'tcp-reset'

/** What a rule does with a packet that matches. */
export type Action =
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** Default port-unreachable. */
  | { readonly kind: 'reject'; readonly with?: RejectWith }
  /** Sets the bits of `mask` to those of `value`; other bits stay. */
  | { readonly kind: 'setMark'; readonly value: number; readonly mask: number }
  | { readonly kind: 'clearMark'; readonly mask: number }
  /** Copies the bits of `mask` between packet and connection. */
  | { readonly kind: 'saveMark' | 'restoreMark'; readonly mask: number }
  | { readonly kind: 'masquerade'; readonly randomFully?: boolean; readonly toPorts?: Ports }
  | { readonly kind: 'snat'; readonly to: Address; readonly toPorts?: Ports; readonly randomFully?: boolean }
  | { readonly kind: 'dnat'; readonly to: Address; readonly toPorts?: Ports }
  /** Table raw. */
  | { readonly kind: 'noTrack' }
  /** The kernel log. `level` 0 (emergency) to 7 (debug), default 4. */
  | { readonly kind: 'log'; readonly prefix: string; readonly level?: number }
  | { readonly kind: 'nflog'; readonly group: number; readonly prefix: string }
  /** `mtu`: the path's; a number: that size. */
  | { readonly kind: 'clampMss'; readonly to: 'mtu' | number }
  /** Counts only. */
  | { readonly kind: 'none' }

export interface Rule {
  readonly match?: readonly Match[]
  readonly action: Action
  /** For people who read the rules; made harmless and shortened as need be. */
  readonly comments?: readonly string[]
}
