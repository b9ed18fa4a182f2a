// RT_SCOPE_*, linux/rtnetlink.h: how far away a destination, or how far-reaching an address, is.
const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const

/** A scope by name, or by number for one that has no name. */
export type Scope = keyof typeof SCOPES | number

const NAMES = new Map<number, keyof typeof SCOPES>(
  Object.entries(SCOPES).map(([name, code]) => [code, name as keyof typeof SCOPES]),
)

export const scopeCode = (scope: Scope): number => (typeof scope === 'number' ? scope : SCOPES[scope])
export const scopeName = (code: number): Scope => NAMES.get(code) ?? code

const AF_INET = 2
const AF_INET6 = 10
/** AF_INET or AF_INET6; AF_UNSPEC, meaning both, for undefined. */
export const familyCode = (family: 4 | 6 | undefined): number =>
  family === undefined ? 0 : family === 4 ? AF_INET : AF_INET6

/** undefined for any family but IPv4 and IPv6. */
export const familyOf = (code: number): 4 | 6 | undefined => (code === AF_INET ? 4 : code === AF_INET6 ? 6 : undefined)
