import type { Labels, Pod } from '@margay/model'
import { REQUESTED_IPS_ANNOTATION } from '@margay/model'
import { Address, type Family } from '@margay/net'
import { CniError, CniErrorCode } from './cni-error.ts'

/** Which addresses a pod asks for by its annotations, and its namespace's. */
export interface AddressRequest {
  /** Exactly these; empty: any. */
  readonly exact: readonly Address[]
  /** The only pools to take from, by family; undefined: any. */
  readonly pools: Readonly<Record<Family, readonly string[] | undefined>>
}

const POOL_ANNOTATIONS = { 4: 'cni.projectcalico.org/ipv4pools', 6: 'cni.projectcalico.org/ipv6pools' } as const
/** Annotations of Calico's that would give a pod addresses or rights in ways that Margay does not have yet. */
const UNSUPPORTED = [
  'cni.projectcalico.org/ipAddrsNoIpam',
  'cni.projectcalico.org/floatingIPs',
  'cni.projectcalico.org/hwAddr',
  'cni.projectcalico.org/ipFamilies',
  'cni.projectcalico.org/allowedSourcePrefixes',
]

type Annotations = Labels

/** @throws {CniError} naming the annotation that is wrong, or not supported */
export function readAddressRequest(pod: Pod, namespaceAnnotations: Annotations): AddressRequest {
  const annotations = pod.metadata.annotations ?? {}
  const unsupported = UNSUPPORTED.find((name) => annotations[name] !== undefined)
  if (unsupported !== undefined) throw bad(unsupported, 'is not supported by Margay yet')
  const pools = (family: Family): readonly string[] | undefined =>
    readList(annotations, POOL_ANNOTATIONS[family]) ?? readList(namespaceAnnotations, POOL_ANNOTATIONS[family])
  const exact = (readList(annotations, REQUESTED_IPS_ANNOTATION) ?? []).map((text) => {
    const address = Address.tryParse(text)
    if (address === undefined)
      throw bad(REQUESTED_IPS_ANNOTATION, `names ${JSON.stringify(text.slice(0, 64))}, which is no address`)
    return address
  })
  for (const family of [4, 6]) {
    if (exact.filter((address) => address.family === family).length > 1) {
      throw bad(REQUESTED_IPS_ANNOTATION, `names more than one IPv${family} address`)
    }
  }
  return { exact, pools: { 4: pools(4), 6: pools(6) } }
}

function readList(annotations: Annotations, name: string): string[] | undefined {
  const text = annotations[name]
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(name, `is not JSON: ${String(error)}`)
  }
  if (!Array.isArray(value) || value.length === 0 || value.some((each) => typeof each !== 'string')) {
    throw bad(name, 'must be a JSON list of strings')
  }
  return value as string[]
}

function bad(annotation: string, problem: string): CniError {
  return new CniError(CniErrorCode.invalidConfig, `the annotation ${annotation} ${problem}`)
}
