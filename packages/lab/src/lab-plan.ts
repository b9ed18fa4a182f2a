import { Address, Prefix } from '@margay/net'
import { LabError } from './errors.ts'

/** What `margay lab up` was asked for. */
export interface LabOptions {
  readonly name: string
  readonly nodes: number
  readonly externals: number
  readonly ipv6: boolean
}

/** A host on the underlay: a node of the cluster, or an external one. */
export interface HostPlan {
  readonly name: string
  readonly netns: string
  readonly addresses: readonly Address[]
}

/** Every name and address of a lab; follows from its options alone. */
export interface LabPlan extends LabOptions {
  readonly directory: string
  readonly fabricNetns: string
  /** The fabric's own addresses: the API server and the hub are there. */
  readonly fabricAddresses: readonly Address[]
  readonly underlay: readonly Prefix[]
  readonly nodeHosts: readonly HostPlan[]
  readonly externalHosts: readonly HostPlan[]
  readonly podPools: readonly Prefix[]
}

export const LABS_DIRECTORY = '/run/margay/labs'
export const API_PORT = 6443
export const HUB_PORT = 5473
const UNDERLAY = { 4: Prefix.parse('172.30.0.0/24'), 6: Prefix.parse('fd00:30::/64') } as const
const POD_POOLS = { 4: Prefix.parse('10.244.0.0/16'), 6: Prefix.parse('fd00:10:244::/64') } as const
const FIRST_NODE = 11
const FIRST_EXTERNAL = 201

/** Every namespace of a lab begins so. */
export const netnsPrefix = (name: string): string => `mgy-${name}-`

/** Whether a namespace is of the lab `name`: its clean-up goes by it. Those of a lab `name-…` are not. */
export function isNetnsOf(name: string, netns: string): boolean {
  const prefix = netnsPrefix(name)
  return netns.startsWith(prefix) && /^(fabric|(node|ext)\d+|p-[0-9a-f]{12})$/.test(netns.slice(prefix.length))
}

/** @throws {LabError} LAB_BAD_OPTION */
export function planLab(options: LabOptions): LabPlan {
  const { name, nodes, externals, ipv6 } = options
  if (!/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/.test(name)) {
    throw new LabError('LAB_BAD_OPTION', `--name ${JSON.stringify(name)} must be 1 to 22 of a-z, 0-9 and -`)
  }
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 100)
    throw new LabError('LAB_BAD_OPTION', '--nodes must be 1 to 100')
  if (!Number.isInteger(externals) || externals < 0 || externals > 50)
    throw new LabError('LAB_BAD_OPTION', '--externals must be 0 to 50')
  const families = ipv6 ? ([4, 6] as const) : ([4] as const)
  const at = (offset: number): Address[] => families.map((family) => UNDERLAY[family].address.plus(offset))
  const hosts = (count: number, base: string, first: number): HostPlan[] =>
    Array.from({ length: count }, (_, index) => ({
      name: `${base}${index + 1}`,
      netns: `${netnsPrefix(name)}${base}${index + 1}`,
      addresses: at(first + index),
    }))
  return {
    ...options,
    directory: `${LABS_DIRECTORY}/${name}`,
    fabricNetns: `${netnsPrefix(name)}fabric`,
    fabricAddresses: at(1),
    underlay: families.map((family) => UNDERLAY[family]),
    nodeHosts: hosts(nodes, 'node', FIRST_NODE),
    externalHosts: hosts(externals, 'ext', FIRST_EXTERNAL),
    podPools: families.map((family) => POD_POOLS[family]),
  }
}
