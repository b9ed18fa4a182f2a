import type { Bus } from '@margay/bus'
import { type ClusterTopics, type Direction, objectKey, type Pod, type Protocol } from '@margay/model'
import { Address, type Family } from '@margay/net'
import { addressEnd, type DirectionVerdict, judge, type PacketEnd, podEnd, type World } from '@margay/policy'
import { endpointChain } from '../policy/chain-names.ts'
import type { CountedRule } from './counters.ts'

export interface ExplainQuery {
  readonly from: string
  readonly to: string
  readonly protocol: Protocol
  readonly port: number
  readonly family: Family
}

interface ExplainedDirection extends DirectionVerdict {
  /** The chain of this node that decides; undefined when the pod is not on this node. */
  readonly chain: string | undefined
  /** The rule that drops what is not allowed, with how much it has dropped. */
  readonly denied: CountedRule | undefined
}

export interface Explanation {
  readonly allowed: boolean
  readonly summary: string
  readonly egress: ExplainedDirection
  readonly ingress: ExplainedDirection
}

export interface ExplainSources {
  readonly bus: Bus<ClusterTopics>
  /** Interfaces of a pod (`namespace/name`) that is on this node. */
  interfacesOf(pod: string): readonly string[]
  /** The filter table's chains of a family. */
  chains(family: Family): Promise<ReadonlyMap<string, readonly CountedRule[]>>
}

/** Says whether a new connection comes through and who decides, from the policies and from this node's kernel. */
export async function explain(
  sources: ExplainSources,
  query: ExplainQuery,
): Promise<Explanation | { readonly unknown: string }> {
  const { bus } = sources
  const world: World = {
    pods: [...bus.table('pods').values()],
    namespaces: [...bus.table('namespaces').values()],
    policies: [...bus.table('networkPolicies').values()],
  }
  const from = endOf(world, query.from, query.family)
  if (from === undefined) return { unknown: query.from }
  const to = endOf(world, query.to, query.family)
  if (to === undefined) return { unknown: query.to }
  const { protocol, port } = query
  const { allowed, egress, ingress } = judge(world, { from, to, protocol, port })
  const chains = await sources.chains(from.address.family)
  const explained = (direction: Direction, verdict: DirectionVerdict, pod: Pod | undefined): ExplainedDirection => {
    const [interfaceName] = pod === undefined ? [] : sources.interfacesOf(objectKey(pod.metadata))
    const chain = interfaceName === undefined ? undefined : endpointChain(direction, interfaceName)
    return {
      ...verdict,
      chain,
      denied: chain === undefined || verdict.isolatedBy.length === 0 ? undefined : chains.get(chain)?.at(-1),
    }
  }
  return {
    allowed,
    summary: summary(query, egress, ingress),
    egress: explained('egress', egress, from.pod),
    ingress: explained('ingress', ingress, to.pod),
  }
}

/** A pod by `namespace/name`, or whoever has an address. */
function endOf(world: World, text: string, family: Family): PacketEnd | undefined {
  const address = Address.tryParse(text)
  if (address !== undefined) return addressEnd(world, address)
  const pod = world.pods.find(({ metadata }) => objectKey(metadata) === text)
  return pod === undefined ? undefined : podEnd(pod, family)
}

function summary(query: ExplainQuery, egress: DirectionVerdict, ingress: DirectionVerdict): string {
  const what = `${query.protocol}/${query.port} from ${query.from} to ${query.to}`
  if (!egress.allowed)
    return `${what} is denied on its way out: ${query.from} is isolated by ${list(egress)}, and no rule of it allows this`
  if (!ingress.allowed)
    return `${what} is denied on its way in: ${query.to} is isolated by ${list(ingress)}, and no rule of it allows this`
  const allowing = [...egress.allowedBy, ...ingress.allowedBy].map(({ policy, rule }) => `${policy} (rule ${rule})`)
  return `${what} is allowed ${allowing.length === 0 ? 'as no policy isolates either end' : `by ${allowing.join(' and ')}`}`
}

function list({ isolatedBy }: DirectionVerdict): string {
  return isolatedBy.map((name) => `NetworkPolicy ${name}`).join(', ')
}
