import type { Family } from '@margay/net'
import type { PolicyPlan, RulePlan } from '@margay/policy'
import type { Match, Ports, Rule } from 'node-iptables'
import { ipSetName } from './chain-names.ts'
import { ACCEPT_MARK } from './marks.ts'

/** The slots of one multiport match; a range takes two. */
const MULTIPORT_SLOTS = 15

/**
 * The rules of a policy's chain: what a rule allows gets the accept mark, whatever falls off the end gets none. A rule
 * about addresses of the other IP version has no place in this one.
 */
export function renderPolicy(plan: PolicyPlan, family: Family): Rule[] {
  return plan.rules.flatMap((rule, index) => renderRule(plan, rule, index, family))
}

function renderRule(plan: PolicyPlan, rule: RulePlan, index: number, family: Family): Rule[] {
  if (rule.peerNet !== undefined && rule.peerNet.family !== family) return []
  const peer = peerMatch(plan, rule, family)
  const protocol: Match[] =
    rule.protocol === undefined
      ? []
      : [{ kind: 'protocol', protocol: rule.protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp' }]
  const portSet: Match[] =
    rule.destinationPortSet === undefined
      ? []
      : [{ kind: 'ipSet', name: ipSetName(family, rule.destinationPortSet), flags: ['dst', 'dst'] }]
  const ports: Match[][] =
    rule.ports === undefined
      ? [[]]
      : groupPorts(rule.ports).map((group) => [{ kind: 'destinationPorts', ports: group }])
  return ports.map((portMatch) => ({
    match: [...protocol, ...peer, ...portMatch, ...portSet],
    action: { kind: 'setMark', value: ACCEPT_MARK, mask: ACCEPT_MARK },
    comments: [`${plan.namespace}/${plan.name} ${plan.direction} rule ${index}`],
  }))
}

function peerMatch({ direction }: PolicyPlan, { peerNet, peerSet }: RulePlan, family: Family): Match[] {
  const matches: Match[] = []
  if (peerNet !== undefined && peerNet.length > 0) {
    matches.push({ kind: direction === 'ingress' ? 'source' : 'destination', prefix: peerNet })
  }
  if (peerSet !== undefined) {
    matches.push({ kind: 'ipSet', name: ipSetName(family, peerSet), flags: [direction === 'ingress' ? 'src' : 'dst'] })
  }
  return matches
}

/** Groups of ports of which each fits one match. */
function groupPorts(ranges: readonly { first: number; last: number }[]): Ports[][] {
  const groups: Ports[][] = []
  let slots = MULTIPORT_SLOTS
  for (const { first, last } of ranges) {
    const needed = first === last ? 1 : 2
    if (slots + needed > MULTIPORT_SLOTS) {
      groups.push([])
      slots = 0
    }
    groups.at(-1)?.push(first === last ? first : { first, last })
    slots += needed
  }
  return groups
}
