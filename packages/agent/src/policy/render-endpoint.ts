import type { Direction, FelixConfiguration } from '@margay/model'
import type { DirectionPlan } from '@margay/policy'
import type { Action, Rule } from 'node-iptables'
import { policyChain } from './chain-names.ts'
import { ACCEPT_MARK } from './marks.ts'

const VXLAN_PORT = 4789

export type DenyAction = FelixConfiguration['iptablesFilterDenyAction']

function denyAction(deny: DenyAction): Action {
  return deny === 'Reject' ? { kind: 'reject' } : { kind: 'drop' }
}

/**
 * The chain of one direction of an endpoint. Known connections pass, then each policy may set the accept mark; a packet
 * that leaves by RETURN bears it.
 */
export function renderEndpoint(direction: Direction, plan: DirectionPlan, deny: DenyAction): Rule[] {
  const connections: Rule[] = [
    { match: [{ kind: 'connectionState', states: ['RELATED', 'ESTABLISHED'] }], action: { kind: 'accept' } },
    { match: [{ kind: 'connectionState', states: ['INVALID'] }], action: { kind: 'drop' } },
    { action: { kind: 'clearMark', mask: ACCEPT_MARK } },
  ]
  return [...connections, ...(direction === 'egress' ? ENCAPSULATION : []), ...verdict(plan, deny)]
}

/** A pod must not slip packets past policy inside a tunnel of its own making to another node. */
const ENCAPSULATION: readonly Rule[] = [
  {
    match: [
      { kind: 'protocol', protocol: 'udp' },
      { kind: 'destinationPorts', ports: [VXLAN_PORT] },
    ],
    action: { kind: 'drop' },
    comments: ['VXLAN from a workload'],
  },
  { match: [{ kind: 'protocol', protocol: 'ipip' }], action: { kind: 'drop' }, comments: ['IPIP from a workload'] },
]

function verdict({ isolated, policies }: DirectionPlan, deny: DenyAction): Rule[] {
  if (!isolated) {
    return [
      { action: { kind: 'setMark', value: ACCEPT_MARK, mask: ACCEPT_MARK }, comments: ['no policy isolates this pod'] },
    ]
  }
  const names = policies.map(parsePolicyId)
  return [
    ...names.flatMap(({ direction, namespace, name }): Rule[] => [
      {
        action: { kind: 'jump', chain: policyChain(direction, namespace, name) },
        comments: [`policy ${namespace}/${name}`],
      },
      { match: [{ kind: 'mark', value: ACCEPT_MARK, mask: ACCEPT_MARK }], action: { kind: 'return' } },
    ]),
    {
      action: denyAction(deny),
      comments: [
        names.length === 0
          ? 'denied: the pod is not known'
          : `denied: no rule allows it; isolated by ${names.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}`,
      ],
    },
  ]
}

function parsePolicyId(id: string): { direction: Direction; namespace: string; name: string } {
  const [direction, namespace = '', name = ''] = id.split('/')
  return { direction: direction === 'ingress' ? 'ingress' : 'egress', namespace, name }
}
