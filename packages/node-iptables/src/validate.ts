import { badRule } from './errors.ts'

/** Longest chain name that iptables takes. */
const CHAIN_NAME_LENGTH = 28

/** @throws {IptablesError} IPTABLES_BAD_RULE */
export function checkChainName(field: string, name: string): string {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_][A-Za-z0-9_.:=-]*$/.test(name)) {
    throw badRule(field, name, 'is not a chain name')
  }
  if (name.length > CHAIN_NAME_LENGTH) throw badRule(field, name, `is longer than ${CHAIN_NAME_LENGTH} characters`)
  return name
}

/** A device name with or without a trailing `+`. @throws {IptablesError} IPTABLES_BAD_RULE */
export function checkInterfacePattern(field: string, name: string): string {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_][A-Za-z0-9_.@=-]*\+?$/.test(name) || name.length > 15) {
    throw badRule(field, name, 'is not a device name of at most 15 characters, or a prefix of one with +')
  }
  return name
}

/** @throws {IptablesError} IPTABLES_BAD_RULE unless `value` is an integer from `low` to `high`. */
export function checkInteger(field: string, value: number, low: number, high: number): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw badRule(field, value, `must be an integer from ${low} to ${high}`)
  }
  return value
}

/** @throws {IptablesError} IPTABLES_BAD_RULE unless `value` is one of `choices`. */
export function checkChoice<T extends string>(field: string, value: T, choices: readonly T[]): T {
  if (!choices.includes(value)) throw badRule(field, value, `must be one of ${choices.join(', ')}`)
  return value
}

/** Printable ASCII that needs no escape inside double quotes. @throws {IptablesError} IPTABLES_BAD_RULE */
export function checkLogPrefix(field: string, prefix: string, limit: number): string {
  if (typeof prefix !== 'string' || !/^[ !#-[\]-~]*$/.test(prefix)) {
    throw badRule(field, prefix, 'must be printable ASCII without quotes and backslashes')
  }
  if (prefix.length > limit) throw badRule(field, prefix, `is longer than ${limit} characters`)
  return prefix
}

/** A comment that cannot end its quotes or its line, at most `limit` characters. */
export const harmlessComment = (text: string, limit = 255): string =>
  text.replaceAll(/[^ !#-[\]-~]/g, '_').slice(0, limit)

/** At most 31 characters that iptables and ipset read as they stand. @throws {IptablesError} IPTABLES_BAD_RULE */
export function checkSetName(field: string, name: string): string {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_][A-Za-z0-9_.:=@-]{0,30}$/.test(name)) {
    throw badRule(field, name, 'is not a set name of at most 31 characters')
  }
  return name
}
