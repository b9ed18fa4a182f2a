import { addressBits, type Prefix } from '@margay/net'
import { badRule } from './errors.ts'
import type { AddressType, ConnectionState, Match, Ports, Protocol } from './rule.ts'
import { checkChoice, checkInteger, checkInterfacePattern, checkSetName } from './validate.ts'

const STATES: ConnectionState[] = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED', 'SNAT', 'DNAT']
const ADDRESS_TYPES: AddressType[] = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
]
// By number, because names come from /etc/protocols, which an image may lack.
const PROTOCOLS: Record<Exclude<Protocol, number>, string> = {
  tcp: 'tcp',
  udp: 'udp',
  udplite: '136',
  sctp: '132',
  dccp: '33',
  icmp: 'icmp',
  icmpv6: '58',
  ipip: '4',
  esp: '50',
  ah: '51',
}
const WITH_PORTS: readonly Protocol[] = ['tcp', 'udp', 'udplite', 'sctp', 'dccp', 6, 17, 136, 132, 33]
const MULTIPORT_SLOTS = 15
/** iptables takes these options once per rule. */
const ONCE = new Set<Match['kind']>(['inInterface', 'outInterface', 'source', 'destination', 'protocol'])

/** What the rules are for. */
export interface RenderContext {
  readonly family: 4 | 6
}

/** The conditions as iptables options. @throws {IptablesError} IPTABLES_BAD_RULE */
export function renderMatches(matches: readonly Match[], context: RenderContext): string[] {
  const seen = new Set<Match['kind']>()
  const words: string[] = []
  // The protocol goes first: the port options of the others are only known behind it.
  const sorted = matches.map((match, index) => ({ match, field: `match[${index}]` }))
  sorted.sort((a, b) => Number(b.match.kind === 'protocol') - Number(a.match.kind === 'protocol'))
  const protocol = matches.find((match) => match.kind === 'protocol')
  for (const { match, field } of sorted) {
    if (ONCE.has(match.kind) && seen.has(match.kind)) throw badRule(field, match.kind, 'may be given once per rule')
    seen.add(match.kind)
    words.push(...renderMatch(match, field, context, protocol?.negated === true ? undefined : protocol?.protocol))
  }
  return words
}

const not = (match: { readonly negated?: boolean }): string[] => (match.negated === true ? ['!'] : [])

function renderMatch(match: Match, field: string, context: RenderContext, protocol: Protocol | undefined): string[] {
  switch (match.kind) {
    case 'inInterface':
      return [...not(match), '-i', checkInterfacePattern(`${field}.name`, match.name)]
    case 'outInterface':
      return [...not(match), '-o', checkInterfacePattern(`${field}.name`, match.name)]
    case 'source':
      return renderPrefix(match, '-s', field, context)
    case 'destination':
      return renderPrefix(match, '-d', field, context)
    case 'protocol':
      return [...not(match), '-p', protocolWord(`${field}.protocol`, match.protocol, context)]
    case 'sourcePorts':
    case 'destinationPorts':
      return renderPorts(match, field, protocol)
    case 'ipSet':
      return renderIpSet(match, field)
    case 'mark':
      return ['-m', 'mark', ...not(match), '--mark', markWord(field, match.value, match.mask)]
    case 'connectionMark':
      return ['-m', 'connmark', ...not(match), '--mark', markWord(field, match.value, match.mask)]
    case 'connectionState':
      return ['-m', 'conntrack', ...not(match), '--ctstate', stateWords(`${field}.states`, match.states)]
    case 'connectionDirection':
      checkChoice(`${field}.direction`, match.direction, ['original', 'reply'])
      return ['-m', 'conntrack', '--ctdir', match.direction.toUpperCase()]
    case 'originalDestination':
      return ['-m', 'conntrack', ...not(match), '--ctorigdst', prefixWord(`${field}.prefix`, match.prefix, context)]
    case 'originalDestinationPorts':
      return ['-m', 'conntrack', ...not(match), '--ctorigdstport', portsWord(`${field}.ports`, match.ports, ':')]
    case 'icmpType':
      return renderIcmpType(match, field, context, protocol)
    case 'reversePath':
      return renderReversePath(match)
    case 'addressType':
      return renderAddressType(match, field)
    case 'limit':
      return renderLimit(match, field)
    default:
      throw badRule(`${field}.kind`, (match as { kind: unknown }).kind, 'is not a kind of match')
  }
}

function renderPrefix(
  match: { readonly prefix: Prefix; readonly negated?: boolean },
  option: string,
  field: string,
  context: RenderContext,
): string[] {
  const word = prefixWord(`${field}.prefix`, match.prefix, context)
  if (match.prefix.length > 0) return [...not(match), option, word]
  // iptables-nft cannot say it, and a rule that never matches is a mistake anyway.
  if (match.negated === true) throw badRule(`${field}.prefix`, word, 'negated matches nothing')
  return []
}

function prefixWord(field: string, prefix: Prefix, context: RenderContext): string {
  if (prefix.family !== context.family) throw badRule(field, prefix, `is not IPv${context.family}`)
  return prefix.length === addressBits(prefix.family) ? prefix.address.toString() : prefix.toString()
}

function protocolWord(field: string, protocol: Protocol, context: RenderContext): string {
  if (typeof protocol === 'number') return `${checkInteger(field, protocol, 1, 255)}`
  const word = Object.hasOwn(PROTOCOLS, protocol) ? PROTOCOLS[protocol] : undefined
  if (word === undefined) throw badRule(field, protocol, 'is not a known protocol: give its number')
  if ((protocol === 'icmp' && context.family === 6) || (protocol === 'icmpv6' && context.family === 4)) {
    throw badRule(field, protocol, `is not for IPv${context.family}`)
  }
  return word
}

function renderPorts(
  match: { readonly kind: string; readonly ports: readonly Ports[]; readonly negated?: boolean },
  field: string,
  protocol: Protocol | undefined,
): string[] {
  const side = match.kind === 'sourcePorts' ? 's' : 'd'
  if (protocol === undefined || !WITH_PORTS.includes(protocol)) {
    throw badRule(field, match.kind, 'needs a protocol with ports in the same rule')
  }
  const words = match.ports.map((ports, index) => portsWord(`${field}.ports[${index}]`, ports, ':'))
  const slots = match.ports.reduce<number>((sum, ports) => sum + (typeof ports === 'number' ? 1 : 2), 0)
  if (slots === 0 || slots > MULTIPORT_SLOTS) {
    throw badRule(`${field}.ports`, words, `must have 1 to ${MULTIPORT_SLOTS} slots; a range takes two`)
  }
  const own = protocol === 'tcp' || protocol === 'udp' ? protocol : undefined
  if (words.length === 1 && own !== undefined) return ['-m', own, ...not(match), `--${side}port`, words[0] as string]
  return ['-m', 'multiport', ...not(match), `--${side}ports`, words.join(',')]
}

/** `80`, or `80:90` with the given separator. @throws {IptablesError} IPTABLES_BAD_RULE */
export function portsWord(field: string, ports: Ports, separator: ':' | '-'): string {
  if (typeof ports === 'number') return `${checkInteger(field, ports, 0, 65535)}`
  checkInteger(`${field}.first`, ports.first, 0, 65535)
  checkInteger(`${field}.last`, ports.last, ports.first, 65535)
  return ports.first === ports.last ? `${ports.first}` : `${ports.first}${separator}${ports.last}`
}

function renderIpSet(match: Match & { kind: 'ipSet' }, field: string): string[] {
  if (match.flags.length === 0 || match.flags.length > 3) {
    throw badRule(`${field}.flags`, match.flags, 'must have one to three of src and dst')
  }
  for (const flag of match.flags) checkChoice(`${field}.flags`, flag, ['src', 'dst'])
  const name = checkSetName(`${field}.name`, match.name)
  return ['-m', 'set', ...not(match), '--match-set', name, match.flags.join(',')]
}

function markWord(field: string, value: number, mask: number): string {
  return `${bits(`${field}.value`, value)}/${bits(`${field}.mask`, mask)}`
}

/** A 32-bit number in hexadecimal. @throws {IptablesError} IPTABLES_BAD_RULE */
export const bits = (field: string, value: number): string =>
  `0x${checkInteger(field, value, 0, 0xffffffff).toString(16)}`

function stateWords(field: string, states: readonly ConnectionState[]): string {
  if (states.length === 0) throw badRule(field, '', 'must name at least one state')
  return states.map((state) => checkChoice(field, state, STATES)).join(',')
}

function renderIcmpType(
  match: Match & { kind: 'icmpType' },
  field: string,
  context: RenderContext,
  protocol: Protocol | undefined,
): string[] {
  const needed = context.family === 4 ? ['icmp', 1] : ['icmpv6', 58]
  if (protocol === undefined || !needed.includes(protocol)) {
    throw badRule(field, 'icmpType', `needs protocol ${needed[0]} in the same rule`)
  }
  checkInteger(`${field}.type`, match.type, 0, 255)
  const code = match.code === undefined ? '' : `/${checkInteger(`${field}.code`, match.code, 0, 255)}`
  const module = context.family === 4 ? 'icmp' : 'icmp6'
  const option = context.family === 4 ? '--icmp-type' : '--icmpv6-type'
  return ['-m', module, ...not(match), option, `${match.type}${code}`]
}

function renderReversePath(match: Match & { kind: 'reversePath' }): string[] {
  const words = ['-m', 'rpfilter']
  if (match.loose === true) words.push('--loose')
  if (match.validMark === true) words.push('--validmark')
  if (match.acceptLocal === true) words.push('--accept-local')
  if (match.invert === true) words.push('--invert')
  return words
}

function renderAddressType(match: Match & { kind: 'addressType' }, field: string): string[] {
  checkChoice(`${field}.type`, match.type, ADDRESS_TYPES)
  checkChoice(`${field}.side`, match.side, ['source', 'destination'])
  const words = ['-m', 'addrtype', ...not(match), match.side === 'source' ? '--src-type' : '--dst-type', match.type]
  if (match.limitTo !== undefined) {
    words.push(`--limit-iface-${checkChoice(`${field}.limitTo`, match.limitTo, ['in', 'out'])}`)
  }
  return words
}

function renderLimit(match: Match & { kind: 'limit' }, field: string): string[] {
  checkInteger(`${field}.rate`, match.rate, 1, 10_000)
  checkChoice(`${field}.per`, match.per, ['second', 'minute', 'hour', 'day'])
  const burst = checkInteger(`${field}.burst`, match.burst ?? 5, 1, 10_000)
  return ['-m', 'limit', '--limit', `${match.rate}/${match.per}`, '--limit-burst', `${burst}`]
}
