import { defineCapability } from './capability.ts'

/** What a speaker is to its peer (RFC 9234 §4.1), by the names of our configuration. */
export type BgpRole = 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer'

const ROLES: readonly BgpRole[] = ['provider', 'rs', 'rs-client', 'customer', 'peer']

/** The role of a value of the registry; undefined for an unassigned one. */
export const roleOfValue = (value: number): BgpRole | undefined => ROLES[value]

export const valueOfRole = (role: BgpRole): number => ROLES.indexOf(role)

/** BGP Role, RFC 9234 §4.1. */
export const role = defineCapability({
  code: 9,
  name: 'role',
  decode: (reader) => ({ name: 'role', value: reader.u8() }),
  encode: (writer, value) => writer.u8(value.value),
})
