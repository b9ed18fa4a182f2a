import { Address } from '@margay/net'
import type { ConfigReader } from '../config-reader.ts'
import { type Direction, RESERVED_TAG_PREFIX } from './compile-actions.ts'
import type { PolicyAction } from './policy.ts'
import type { SetNames } from './read-policy.ts'
import { asNumbers, communities, oneOf, optional, texts } from './read-values.ts'

const MAX_U32 = 0xffffffff
const MAX_PREPENDS = 100

/** What else an action's meaning hangs on. */
interface Surroundings {
  readonly direction: Direction
  readonly sets: SetNames
}

type Union<T> = T extends T ? keyof T : never
type Name = Union<PolicyAction>
type Read = (reader: ConfigReader, field: Name, surroundings: Surroundings) => unknown

const u32: Read = (reader, field) => reader.integer(field, { min: 0, max: MAX_U32 })
const tags: Read = (reader, field) => {
  for (const [index, tag] of texts(reader, field).entries()) {
    if (tag.startsWith(RESERVED_TAG_PREFIX))
      reader.problem(`${field}[${index}]`, `must not begin with ${RESERVED_TAG_PREFIX}`)
  }
  return reader.list(field)
}
const yes: Read = (reader, field) => {
  if (reader.raw(field) !== true) reader.problem(field, 'must be true')
  return true
}

const READERS: Readonly<Record<Name, Read>> = {
  setLocalPref: u32,
  addLocalPref: u32,
  subtractLocalPref: u32,
  setPriority: (reader, field) => reader.integer(field, { min: 0, max: 0x7fffffff }),
  setMed: u32,
  addMed: u32,
  subtractMed: u32,
  removeMed: yes,
  setNextHop: readNextHop,
  addCommunities: (reader, field) => communities(reader, field),
  removeCommunities: (reader, field, { sets }) =>
    communities(reader, field, { patterns: true, sets: sets.communitySets }),
  setCommunities: (reader, field) => communities(reader, field, { only: 'standard' }),
  setLargeCommunities: (reader, field) => communities(reader, field, { only: 'large' }),
  setExtendedCommunities: (reader, field) => communities(reader, field, { only: 'extended' }),
  prepend: readPrepend,
  prependAsPath: (reader, field) => asNumbers(reader, field),
  setAsPath: (reader, field) => asNumbers(reader, field, true),
  removePrivateAs: yes,
  replacePrivateAs: ownOrAsn,
  setOrigin: (reader, field) => oneOf(reader, field, ['igp', 'egp', 'incomplete']),
  addTags: tags,
  removeTags: tags,
  setTags: tags,
}

/** Undefined, and a problem, when it is none. */
export function readAction(reader: ConfigReader, direction: Direction, sets: SetNames): PolicyAction | undefined {
  const names = reader.names()
  const known = names.filter((name): name is Name => Object.hasOwn(READERS, name))
  const values = known.map((name) => [name, READERS[name](reader, name, { direction, sets })])
  reader.refuseUnknown()
  if (names.length !== 1) reader.problem('', `an action has one field, this has ${names.length}`)
  return known.length === 1 ? (Object.fromEntries(values) as PolicyAction) : undefined
}

function readNextHop(reader: ConfigReader, field: Name, { direction }: Surroundings): string | undefined {
  const value = reader.raw(field)
  if (value === 'self' || value === 'unchanged') {
    if (direction === 'import') reader.problem(field, `${value} is for export policies`)
    return value
  }
  const address = typeof value === 'string' ? Address.tryParse(value) : undefined
  if (address === undefined || address.isMulticast || address.value === 0n) {
    reader.problem(field, 'must be "self", "unchanged" or the address of a host')
  }
  return address?.toString()
}

function readPrepend(reader: ConfigReader, field: Name): unknown {
  const child = reader.child(field)
  if (child === undefined) return undefined
  const asn = ownOrAsn(child, 'asn')
  const count = child.raw('count') === undefined ? undefined : child.integer('count', { min: 1, max: MAX_PREPENDS })
  child.refuseUnknown()
  return { asn, ...optional('count', count) }
}

function ownOrAsn(reader: ConfigReader, field: string): unknown {
  return reader.raw(field) === 'own' ? 'own' : reader.integer(field, { min: 1, max: MAX_U32 })
}
