import { allocations, isSound } from '@margay/ipam'
import type { IPAMBlock, IPAMHandle, Pod } from '@margay/model'
import { podAddresses } from '@margay/model'
import { Address, Prefix } from '@margay/net'

/** A handle whose addresses nobody seems to use. */
export interface Suspect {
  readonly handleId: string
  readonly addresses: readonly Address[]
  readonly reason: string
  /** Undefined: the record names no pod. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined
  readonly node: string | undefined
  /** Its node is gone: nothing is left that could use it. */
  readonly certain: boolean
}

export interface IpamSnapshot {
  readonly blocks: readonly IPAMBlock[]
  readonly handles: readonly IPAMHandle[]
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, Pod>
  readonly nodes: ReadonlySet<string>
}

interface Held {
  readonly address: Address
  readonly secondary: Readonly<Record<string, string>>
}

/** The handles that look leaked. A handle is judged as a whole: one address in use keeps all of them. Pure. */
export function findSuspects(snapshot: IpamSnapshot): Suspect[] {
  const held = new Map<string, Held[]>()
  for (const { spec } of snapshot.blocks) {
    if (!isSound(spec)) continue
    for (const { address, attribute } of allocations(spec)) {
      const { handle_id: handleId, secondary = {} } = attribute
      if (handleId !== undefined) held.set(handleId, [...(held.get(handleId) ?? []), { address, secondary }])
    }
  }
  const suspects: Suspect[] = []
  for (const [handleId, addresses] of held) {
    const suspect = judge(handleId, addresses, snapshot)
    if (suspect !== undefined) suspects.push(suspect)
  }
  const unjudged = new Set(snapshot.blocks.filter(({ spec }) => !isSound(spec)).map(({ spec }) => spec.cidr))
  for (const { spec } of snapshot.handles) {
    if (held.has(spec.handleID) || Object.keys(spec.block).some((cidr) => unjudged.has(cidr))) continue
    suspects.push({
      handleId: spec.handleID,
      addresses: [],
      reason: 'the handle holds no address',
      pod: undefined,
      node: undefined,
      certain: false,
    })
  }
  return suspects
}

function judge(handleId: string, held: readonly Held[], { pods, nodes }: IpamSnapshot): Suspect | undefined {
  const [first] = held
  const { pod: name, namespace, node } = first?.secondary ?? {}
  // Records of others, tunnel addresses for one: what we do not know we leave.
  if (name === undefined || namespace === undefined) return undefined
  const pod = pods.get(`${namespace}/${name}`)
  const inUse = pod === undefined ? [] : podAddresses(pod)
  if (held.some(({ address }) => inUse.some((each) => each.equals(address)))) return undefined
  const certain = node !== undefined && !nodes.has(node)
  return {
    handleId,
    addresses: held.map(({ address }) => address),
    reason: certain ? `node ${node} is gone` : pod === undefined ? 'the pod is gone' : 'the pod has other addresses',
    pod: { namespace, name },
    node,
    certain,
  }
}

/** The blocks that hold nothing: those of nodes that are gone, and those that a node has beside another. Pure. */
export function findSpareBlocks({
  blocks,
  nodes,
}: Pick<IpamSnapshot, 'blocks' | 'nodes'>): { cidr: Prefix; node: string; certain: boolean }[] {
  const byNode = Map.groupBy(
    blocks.filter(({ spec }) => spec.affinity?.startsWith('host:') === true && isSound(spec)),
    ({ spec }) => spec.affinity?.slice('host:'.length) ?? '',
  )
  return [...byNode].flatMap(([node, own]) => {
    const empty = own
      .filter(({ spec }) => spec.allocations.every((index) => index === null))
      .map(({ spec }) => Prefix.parse(spec.cidr))
    const gone = !nodes.has(node)
    // A node keeps one block, or it would claim one again with its next pod.
    const spare = gone || empty.length < own.length ? empty : empty.slice(1)
    return spare.map((cidr) => ({ cidr, node, certain: gone }))
  })
}
