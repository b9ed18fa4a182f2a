import { BgpMessageError } from '../errors.ts'
import { type BgpRole, roleOfValue } from '../wire/capabilities/role.ts'

/** RFC 9234 §4.2, table 2: what the peer of each role has to be. */
export const COUNTERPART: Readonly<Record<BgpRole, BgpRole>> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs-client',
  'rs-client': 'rs',
  peer: 'peer',
}

/** Our role towards an external peer, and whether the peer has to say its own. */
export interface LocalRole {
  readonly role: BgpRole
  readonly strict: boolean
}

/**
 * Judges the roles that an external peer's OPEN gives (RFC 9234 §4.2).
 * @returns what the peer is to us, undefined where we have no role @throws {BgpMessageError} 2/11, Role Mismatch
 */
export function checkRole(local: LocalRole | undefined, received: readonly number[]): BgpRole | undefined {
  const [value] = received
  if (received.some((other) => other !== value)) throw mismatch('the peer says several roles')
  if (local === undefined) return undefined
  const expected = COUNTERPART[local.role]
  if (value === undefined) {
    if (local.strict) throw mismatch(`the peer says no role, ${expected} is required`)
    return expected
  }
  const theirs = roleOfValue(value)
  if (theirs !== expected) throw mismatch(`peer role ${theirs ?? value}, ours is ${local.role}`)
  return expected
}

const mismatch = (text: string): BgpMessageError => new BgpMessageError(text, { code: 2, subcode: 11 })
