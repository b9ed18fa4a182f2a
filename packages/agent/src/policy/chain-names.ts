import { createHash } from 'node:crypto'
import type { Direction } from '@margay/model'

/** The kernel takes chain names of 28 octets at the most. */
const MAX_LENGTH = 28
const HASH_LENGTH = 10

export const CHAIN_PREFIX = 'mgy-'
export const FROM_DISPATCH = 'mgy-from-wl-dispatch'
export const TO_DISPATCH = 'mgy-to-wl-dispatch'

/** A chain for policy `namespace/name`: the readable name where it fits, else its beginning and a hash. */
export function policyChain(direction: Direction, namespace: string, name: string): string {
  return fit(direction === 'ingress' ? 'mgy-pi-' : 'mgy-po-', `${namespace}.${name}`)
}

/** `mgy-tw-mgy…` (to the workload: ingress) and `mgy-fw-mgy…` (from it: egress). */
export function endpointChain(direction: Direction, interfaceName: string): string {
  return `${direction === 'ingress' ? 'mgy-tw-' : 'mgy-fw-'}${interfaceName}`
}

function fit(prefix: string, id: string): string {
  if (prefix.length + id.length <= MAX_LENGTH) return prefix + id
  const hash = createHash('sha256').update(id).digest('base64url').slice(0, HASH_LENGTH)
  return `${prefix}${id.slice(0, MAX_LENGTH - prefix.length - HASH_LENGTH - 1)}_${hash}`
}

/** `mgy4-ID` or `mgy6-ID`: each IP version has its own set. */
export function ipSetName(family: 4 | 6, id: string): string {
  return `mgy${family}-${id}`
}
