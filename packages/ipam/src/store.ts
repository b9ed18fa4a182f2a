import type {
  BlockAffinity,
  CalicoObject,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  KubernetesObject,
} from '@margay/model'

/** A kind of record in the store. */
export interface RecordKind<T extends KubernetesObject> {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Carries `T`; never set. */
  readonly type?: T
}

const CALICO = 'projectcalico.org/v3'
const record = <T extends KubernetesObject>(kind: string, plural: string): RecordKind<T> => ({
  apiVersion: CALICO,
  kind,
  plural,
  namespaced: false,
})

export const RECORDS = {
  pools: record<CalicoObject>('IPPool', 'ippools'),
  blocks: record<IPAMBlock>('IPAMBlock', 'ipamblocks'),
  affinities: record<BlockAffinity>('BlockAffinity', 'blockaffinities'),
  handles: record<IPAMHandle>('IPAMHandle', 'ipamhandles'),
  configurations: record<IPAMConfiguration>('IPAMConfiguration', 'ipamconfigurations'),
} as const

/**
 * Where the records are: the API server. Writes are compare-and-swap on `metadata.resourceVersion`. A lost race rejects
 * with an error whose `code` is API_CONFLICT (changed meanwhile), API_ALREADY_EXISTS or API_NOT_FOUND.
 */
export interface RecordStore {
  find<T extends KubernetesObject>(kind: RecordKind<T>, name: { name: string }): Promise<T | undefined>
  list<T extends KubernetesObject>(kind: RecordKind<T>): Promise<{ items: T[] }>
  create<T extends KubernetesObject>(kind: RecordKind<T>, object: T): Promise<T>
  update<T extends KubernetesObject>(kind: RecordKind<T>, object: T): Promise<T>
  delete(
    kind: RecordKind<KubernetesObject>,
    name: { name: string },
    preconditions?: { uid?: string | undefined; resourceVersion?: string | undefined },
  ): Promise<void>
}

const RACES = ['API_CONFLICT', 'API_ALREADY_EXISTS', 'API_NOT_FOUND']

/** Whether another writer was first: read again and retry. */
export function isRace(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && RACES.includes(error.code)
}

/** `10-244-0-0-26`: a record's name from its CIDR, as Calico writes it. */
export function cidrName(cidr: string): string {
  return cidr.replaceAll(/[.:/]/g, '-')
}

export function affinityName(node: string, cidr: string): string {
  return `${node}-${cidrName(cidr)}`
}

/** Handle ids may hold capitals, object names may not. */
export function handleName(handleId: string): string {
  return handleId.toLowerCase()
}
