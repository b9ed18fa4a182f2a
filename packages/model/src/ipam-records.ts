import type { KubernetesObject } from './kubernetes.ts'

/** The IPAM records in the shape that Calico stores them in (projectcalico.org/v3). */

export interface BlockAffinity extends KubernetesObject {
  readonly spec: {
    readonly state: 'pending' | 'confirmed' | 'pendingDeletion'
    readonly node: string
    readonly type?: 'host' | 'virtual'
    readonly cidr: string
    readonly deleted?: boolean
  }
}

/** Who holds an address. `secondary` names the owner: keys `pod`, `namespace`, `node`, `type`, `timestamp`. */
export interface AllocationAttribute {
  readonly handle_id?: string
  readonly secondary?: Readonly<Record<string, string>>
}

export interface IPAMBlock extends KubernetesObject {
  readonly spec: {
    readonly cidr: string
    /** `host:NODE`, or absent for a block that belongs to nobody. */
    readonly affinity?: string
    /** One entry per address of the block: null, or an index into `attributes`. */
    readonly allocations: readonly (number | null)[]
    /** Free ordinals, the one freed longest ago first. */
    readonly unallocated: readonly number[]
    readonly attributes: readonly AllocationAttribute[]
    readonly sequenceNumber?: number
    readonly sequenceNumberForAllocation?: Readonly<Record<string, number>>
    readonly strictAffinity?: boolean
    readonly deleted?: boolean
  }
}

export interface IPAMHandle extends KubernetesObject {
  readonly spec: {
    readonly handleID: string
    /** Block CIDR → number of addresses that the handle holds in it. */
    readonly block: Readonly<Record<string, number>>
    readonly deleted?: boolean
  }
}

export interface IPAMConfiguration extends KubernetesObject {
  readonly spec: {
    readonly strictAffinity?: boolean
    readonly maxBlocksPerHost?: number
    readonly autoAllocateBlocks?: boolean
  }
}
