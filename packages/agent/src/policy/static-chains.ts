import type { FelixConfiguration } from '@margay/model'
import type { Family } from '@margay/net'
import type { Action, Match, Rule } from 'node-iptables'
import { FROM_DISPATCH, ipSetName, TO_DISPATCH } from './chain-names.ts'
import { ACCEPT_MARK } from './marks.ts'

export type TableName = 'raw' | 'filter' | 'nat'

/** Sets of the pools' blocks: those whose pods are masqueraded, and all. */
export const MASQUERADE_SET = 'masq-pools'
export const ALL_POOLS_SET = 'all-pools'

const FROM_WORKLOAD: Match = { kind: 'inInterface', name: 'mgy+' }
const TO_WORKLOAD: Match = { kind: 'outInterface', name: 'mgy+' }
/** Multicast listener, router solicitation and neighbour messages (RFC 4861): IPv6 does not work without. */
const NEIGHBOUR_DISCOVERY_TYPES = [130, 131, 132, 133, 135, 136]

const HOST_ACTIONS: Record<FelixConfiguration['defaultEndpointToHostAction'], Action> = {
  Drop: { kind: 'drop' },
  Accept: { kind: 'accept' },
  Return: { kind: 'return' },
}

export interface Hook {
  readonly chain: string
  readonly position: 'insert' | 'append'
  readonly rules: readonly Rule[]
}

/** Our rules in the kernel's own chains. */
export const HOOKS: Readonly<Record<TableName, readonly Hook[]>> = {
  raw: [{ chain: 'PREROUTING', position: 'insert', rules: [{ action: { kind: 'jump', chain: 'mgy-PREROUTING' } }] }],
  filter: [
    { chain: 'INPUT', position: 'insert', rules: [{ action: { kind: 'jump', chain: 'mgy-INPUT' } }] },
    { chain: 'FORWARD', position: 'insert', rules: [{ action: { kind: 'jump', chain: 'mgy-FORWARD' } }] },
    {
      // At the end: others (kube-proxy) may have rules for what we let through.
      chain: 'FORWARD',
      position: 'append',
      rules: [
        {
          match: [{ kind: 'mark', value: ACCEPT_MARK, mask: ACCEPT_MARK }],
          action: { kind: 'accept' },
          comments: ['policy allows it'],
        },
      ],
    },
  ],
  // Appended: kube-proxy's own masquerading comes first.
  nat: [{ chain: 'POSTROUTING', position: 'append', rules: [{ action: { kind: 'jump', chain: 'mgy-POSTROUTING' } }] }],
}

/** The chains that do not depend on any endpoint. */
export function staticChains(
  family: Family,
  configuration: FelixConfiguration,
): Record<TableName, Record<string, Rule[]>> {
  return {
    raw: {
      'mgy-PREROUTING': [
        {
          match: [FROM_WORKLOAD, { kind: 'reversePath', validMark: true, invert: true }],
          action: { kind: 'drop' },
          comments: ['a workload may send from its own addresses only'],
        },
      ],
    },
    filter: {
      'mgy-INPUT': [{ match: [FROM_WORKLOAD], action: { kind: 'goto', chain: 'mgy-wl-to-host' } }],
      'mgy-wl-to-host': [
        ...(family === 6 ? NEIGHBOUR_DISCOVERY_TYPES.map(acceptIcmpV6) : []),
        { action: { kind: 'jump', chain: FROM_DISPATCH } },
        { action: HOST_ACTIONS[configuration.defaultEndpointToHostAction], comments: ['defaultEndpointToHostAction'] },
      ],
      'mgy-FORWARD': [
        { action: { kind: 'clearMark', mask: ACCEPT_MARK } },
        { match: [FROM_WORKLOAD], action: { kind: 'jump', chain: FROM_DISPATCH } },
        { match: [TO_WORKLOAD], action: { kind: 'jump', chain: TO_DISPATCH } },
      ],
    },
    nat: {
      'mgy-POSTROUTING': [
        {
          match: [
            { kind: 'ipSet', name: ipSetName(family, MASQUERADE_SET), flags: ['src'] },
            { kind: 'ipSet', name: ipSetName(family, ALL_POOLS_SET), flags: ['dst'], negated: true },
          ],
          action: { kind: 'masquerade', randomFully: true },
          comments: ['natOutgoing: traffic that leaves the pools'],
        },
      ],
    },
  }
}

function acceptIcmpV6(type: number): Rule {
  return {
    match: [
      { kind: 'protocol', protocol: 'icmpv6' },
      { kind: 'icmpType', type },
    ],
    action: { kind: 'accept' },
  }
}
