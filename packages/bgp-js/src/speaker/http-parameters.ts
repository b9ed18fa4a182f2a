import type { Family } from '@margay/net'
import type { FamilyName } from '../wire/address-family.ts'
import { ROUTE_TABLES, type RouteCursor, type RoutesQuery, type RouteTable } from './routes-view.ts'

/** A request that asks for something that there is not; the message names it. */
export class BadRequest extends Error {
  readonly status: 400 | 404

  constructor(message: string, status: 400 | 404 = 400) {
    super(message)
    this.status = status
  }
}

/** A parameter: what it may be, and the same in words. */
interface Rule {
  readonly pattern: RegExp
  readonly must: string
}

const RULES = {
  family: { pattern: /^ipv[46]$/, must: 'ipv4 or ipv6' },
  table: { pattern: new RegExp(`^(${ROUTE_TABLES.join('|')})$`), must: ROUTE_TABLES.join(', ') },
  limit: { pattern: /^[1-9]\d{0,6}$/, must: 'a number from 1 to 9999999' },
  after: { pattern: /^(locRib|adjRibIn|adjRibOut)\.[46]\.\d{1,10}$/, must: 'what `next` of an answer said' },
  prefix: { pattern: /^[0-9A-Fa-f.:]{2,45}(\/\d{1,3})?$/, must: 'a prefix' },
  peer: { pattern: /^.{1,64}$/, must: 'the address of a peer' },
} satisfies Record<string, Rule>

type ParameterName = keyof typeof RULES

/** The parameters of a request, each once and as its rule says. @throws {BadRequest} naming all that are not */
export function readParameters(
  parameters: URLSearchParams,
  allowed: readonly ParameterName[],
): Partial<Record<ParameterName, string>> {
  const problems: string[] = []
  const read: Partial<Record<ParameterName, string>> = {}
  for (const [name, value] of parameters) {
    const known = allowed.find((each) => each === name)
    if (known === undefined) problems.push(`there is no parameter ${name.slice(0, 32)}`)
    else if (read[known] !== undefined) problems.push(`${known} is there twice`)
    else if (!RULES[known].pattern.test(value)) problems.push(`${known} must be ${RULES[known].must}`)
    else read[known] = value
  }
  if (problems.length > 0) throw new BadRequest(problems.join('; '))
  return read
}

/** What `/routes` was asked. */
export interface RoutesRequest {
  readonly query: Omit<RoutesQuery, 'limit'>
  readonly limit: number
  readonly after: RouteCursor | undefined
}

const DEFAULT_LIMIT = 10_000

/** @throws {BadRequest} */
export function readRoutesRequest(parameters: URLSearchParams): RoutesRequest {
  const { family, table, limit, after, prefix, peer } = readParameters(
    parameters,
    Object.keys(RULES) as ParameterName[],
  )
  return {
    query: {
      ...(family === undefined ? {} : { family: family as FamilyName }),
      ...(table === undefined ? {} : { table: table as RouteTable }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(peer === undefined ? {} : { peer }),
    },
    limit: limit === undefined ? DEFAULT_LIMIT : Number(limit),
    after: after === undefined ? undefined : readCursor(after),
  }
}

function readCursor(text: string): RouteCursor {
  const [table, family, from] = text.split('.')
  return { table: table as RouteTable, family: Number(family) as Family, from: Number(from) }
}

export const cursorText = ({ table, family, from }: RouteCursor): string => `${table}.${family}.${from}`
