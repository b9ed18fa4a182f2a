import { Address, Prefix } from '@margay/net'
import type { Action, Match, Rule } from '../src/index.ts'

/** A rule and the table that it belongs in. */
interface Sample {
  readonly table: 'filter' | 'nat' | 'mangle' | 'raw'
  readonly rule: Rule
}

/** Every kind of match and action at least once. The set `sample` and the chain `other` must be there. */
export const SAMPLE_RULES: Record<4 | 6, readonly Sample[]> = { 4: samples(4), 6: samples(6) }

function samples(family: 4 | 6): Sample[] {
  const net = Prefix.parse(family === 4 ? '10.1.0.0/16' : 'fd00:1::/32')
  const host = Address.parse(family === 4 ? '10.1.0.9' : 'fd00:1::9')
  const any = Prefix.parse(family === 4 ? '0.0.0.0/0' : '::/0')
  const tcp = { kind: 'protocol', protocol: 'tcp' } as const
  const sample = (table: Sample['table'], match: Match[], action: Action, comments?: string[]): Sample => ({
    table,
    rule: comments === undefined ? { match, action } : { match, action, comments },
  })
  const none = { kind: 'none' } as const
  return [
    sample(
      'filter',
      [
        { kind: 'inInterface', name: 'pod+' },
        { kind: 'outInterface', name: 'eth0.100', negated: true },
      ],
      { kind: 'accept' },
    ),
    sample(
      'filter',
      [
        { kind: 'source', prefix: net },
        { kind: 'destination', prefix: Prefix.host(host), negated: true },
      ],
      { kind: 'drop' },
    ),
    sample('filter', [{ kind: 'source', prefix: any }], { kind: 'return' }),
    sample('filter', [{ kind: 'destinationPorts', ports: [80] }, tcp], { kind: 'jump', chain: 'other' }),
    sample(
      'filter',
      [
        { kind: 'protocol', protocol: 'udp' },
        { kind: 'sourcePorts', ports: [{ first: 1, last: 1024 }], negated: true },
      ],
      { kind: 'goto', chain: 'other' },
    ),
    sample(
      'filter',
      [
        { kind: 'protocol', protocol: 'sctp' },
        { kind: 'destinationPorts', ports: [99] },
      ],
      none,
    ),
    sample(
      'filter',
      [
        { kind: 'protocol', protocol: 'udplite' },
        { kind: 'destinationPorts', ports: [1, { first: 5, last: 9 }, 80], negated: true },
      ],
      none,
    ),
    sample('filter', [{ kind: 'protocol', protocol: 47, negated: true }], none),
    sample(
      'filter',
      [
        { kind: 'ipSet', name: 'sample', flags: ['src'] },
        { kind: 'ipSet', name: 'sample', flags: ['dst'], negated: true },
      ],
      none,
    ),
    sample('filter', [{ kind: 'mark', value: 0xf0000000, mask: 0xff000000, negated: true }], none),
    sample('filter', [{ kind: 'connectionMark', value: 1, mask: 1 }], none),
    sample(
      'filter',
      [
        { kind: 'connectionState', states: ['RELATED', 'ESTABLISHED'] },
        { kind: 'connectionState', states: ['DNAT'], negated: true },
      ],
      none,
    ),
    sample('filter', [{ kind: 'connectionDirection', direction: 'reply' }], none),
    sample(
      'filter',
      [
        tcp,
        { kind: 'originalDestination', prefix: net },
        { kind: 'originalDestinationPorts', ports: { first: 80, last: 90 } },
      ],
      none,
    ),
    sample(
      'filter',
      [
        { kind: 'protocol', protocol: family === 4 ? 'icmp' : 'icmpv6' },
        { kind: 'icmpType', type: family === 4 ? 8 : 128, code: 0 },
      ],
      none,
    ),
    sample(
      'filter',
      [
        { kind: 'addressType', side: 'destination', type: 'LOCAL', limitTo: 'in' },
        { kind: 'addressType', side: 'source', type: 'MULTICAST', negated: true },
      ],
      none,
    ),
    sample('filter', [{ kind: 'limit', rate: 10, per: 'minute', burst: 3 }], {
      kind: 'log',
      prefix: 'denied: ',
      level: 5,
    }),
    sample('raw', [{ kind: 'reversePath', invert: true, validMark: true, loose: true }], { kind: 'drop' }),
    sample('raw', [], { kind: 'noTrack' }),
    sample('mangle', [], { kind: 'setMark', value: 0x80000000, mask: 0x80000000 }),
    sample('mangle', [], { kind: 'clearMark', mask: 0xffff0000 }),
    sample('mangle', [], { kind: 'saveMark', mask: 0xffff }),
    sample('mangle', [], { kind: 'restoreMark', mask: 0xffff }),
    sample('filter', [], { kind: 'nflog', group: 65535, prefix: 'D|np|default/deny' }),
    sample('filter', [], { kind: 'reject' }),
    ...(['host-unreachable', 'net-unreachable', 'admin-prohibited'] as const).map((how) =>
      sample('filter', [], { kind: 'reject', with: how }),
    ),
    sample('filter', [tcp], { kind: 'reject', with: 'tcp-reset' }),
    sample('nat', [], { kind: 'masquerade', randomFully: true }),
    sample('nat', [tcp], { kind: 'masquerade', toPorts: { first: 1024, last: 65535 } }),
    sample('nat', [], { kind: 'snat', to: host, randomFully: true }),
    sample('nat', [tcp], { kind: 'snat', to: host, toPorts: { first: 1024, last: 2048 } }),
    sample('nat', [tcp], { kind: 'dnat', to: host, toPorts: 8080 }),
    sample('nat', [], { kind: 'dnat', to: host }),
    sample('filter', [], none, ['policy default/"x"\n-A INPUT -j ACCEPT', '', '\\', 'é'.repeat(300)]),
  ]
}

/** Needs a module that not every kernel has: rendered, not loaded. */
export const CLAMP_MSS: Rule = {
  match: [{ kind: 'protocol', protocol: 'tcp' }],
  action: { kind: 'clampMss', to: 'mtu' },
}
