// The policy language once more, as plainly as it can be said: no sets compiled, no tries, texts compared as texts.
import type { AsMatch, ListMatch, NumberMatch, Policy, PolicyAction, PolicyMatch } from '../../src/policy/policy.ts'
import type { PolicyPeer, PolicyRoute } from '../../src/policy/policy-route.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'

/** What the twin knows of: IPv4, AS_SEQUENCE, standard and large communities. */
export function interpret(policy: Policy, route: PolicyRoute, peer: PolicyPeer): PathAttributes | undefined {
  let attributes = route.attributes
  for (const rule of policy.rules) {
    if (!holds(rule.match ?? {}, { ...route, attributes }, peer, policy)) continue
    if (rule.then === 'reject') return undefined
    for (const action of rule.actions ?? []) attributes = act(action, attributes, peer, policy)
    if (rule.then === 'accept') return attributes
  }
  return policy.default === 'accept' ? attributes : undefined
}

function holds(match: PolicyMatch, route: PolicyRoute, peer: PolicyPeer, policy: Policy): boolean {
  const { attributes } = route
  const asns = attributes.asPath.flatMap((segment) => segment.asns)
  const [bits, length] = bitsOf(route.prefix)
  const fits = length >= (match.prefixLength?.min ?? 0) && length <= (match.prefixLength?.max ?? 32)
  const checks: boolean[] = [match.cidr !== undefined || fits]
  if (match.cidr !== undefined) {
    const [block] = bitsOf(match.cidr)
    const operator = match.matchOperator ?? 'In'
    const found = fits && (operator.includes('Equal') ? bits === block : bits.startsWith(block))
    checks.push(operator.startsWith('Not') ? !found : found)
  }
  if (match.prefixSets !== undefined) checks.push(match.prefixSets.some((name) => inSet(policy, name, bits)))
  if (match.peerType !== undefined) checks.push(match.peerType === peer.type)
  if (match.communities !== undefined) {
    checks.push(listHolds(match.communities, (text) => texts(attributes).some((have) => means(text, have, policy))))
  }
  if (match.tags !== undefined) checks.push(listHolds(match.tags, (tag) => attributes.tags?.includes(tag) === true))
  if (match.asPathPrefix !== undefined) checks.push(`${asns.join(',')},`.startsWith(`${match.asPathPrefix.join(',')},`))
  if (match.asPathLength !== undefined) checks.push(inRange(match.asPathLength, asns.length))
  if (match.originAs !== undefined) checks.push(inAses(match.originAs, asns.at(-1), policy))
  if (match.neighborAs !== undefined) checks.push(inAses(match.neighborAs, asns[0], policy))
  if (match.localPref !== undefined) checks.push(inRange(match.localPref, attributes.localPref ?? 100))
  if (match.med !== undefined) checks.push(attributes.med !== undefined && inRange(match.med, attributes.med))
  if (match.not !== undefined) checks.push(!holds(match.not, route, peer, policy))
  if (match.anyOf !== undefined) checks.push(match.anyOf.some((item) => holds(item, route, peer, policy)))
  return !checks.includes(false)
}

function act(action: PolicyAction, old: PathAttributes, peer: PolicyPeer, policy: Policy): PathAttributes {
  const attributes: Record<string, unknown> & PathAttributes = { ...old }
  const set = (field: string, value: unknown): PathAttributes => {
    const isEmpty = value === undefined || (field !== 'asPath' && Array.isArray(value) && value.length === 0)
    const rest = Object.entries(attributes).filter(([name]) => name !== field)
    return Object.fromEntries(isEmpty ? rest : [...rest, [field, value]]) as unknown as PathAttributes
  }
  if ('setLocalPref' in action) return set('localPref', action.setLocalPref)
  if ('subtractLocalPref' in action)
    return set('localPref', Math.max(0, (old.localPref ?? 100) - action.subtractLocalPref))
  if ('addMed' in action) return set('med', (old.med ?? 0) + action.addMed)
  if ('removeMed' in action) return set('med', undefined)
  if ('addTags' in action) return set('tags', [...new Set([...(old.tags ?? []), ...action.addTags])])
  if ('removeTags' in action)
    return set(
      'tags',
      (old.tags ?? []).filter((tag) => !action.removeTags.includes(tag)),
    )
  if ('addCommunities' in action) {
    return set('communities', [...new Set([...(old.communities ?? []), ...action.addCommunities.map(numberOf)])])
  }
  if ('removeCommunities' in action) {
    const stays = (text: string): boolean => !action.removeCommunities.some((pattern) => means(pattern, text, policy))
    const { communities: _, largeCommunities: __, ...rest } = old
    const communities = (old.communities ?? []).filter((value) => stays(textOf(value)))
    const large = (old.largeCommunities ?? []).filter((item) => stays(item.join(':')))
    return {
      ...rest,
      ...(communities.length > 0 ? { communities } : {}),
      ...(large.length > 0 ? { largeCommunities: large } : {}),
    }
  }
  if ('prepend' in action) {
    const asn = action.prepend.asn === 'own' ? peer.localAsn : action.prepend.asn
    const asns = [
      ...Array<number>(action.prepend.count ?? 1).fill(asn),
      ...old.asPath.flatMap((segment) => segment.asns),
    ]
    return set('asPath', [{ type: 'sequence', asns }])
  }
  throw new Error(`the twin does not know ${JSON.stringify(action)}`)
}

function bitsOf(prefix: string): [bits: string, length: number] {
  const [address = '', length = ''] = prefix.split('/')
  const bits = address.split('.').map((octet) => Number(octet).toString(2).padStart(8, '0'))
  return [bits.join('').slice(0, Number(length)), Number(length)]
}

function inSet(policy: Policy, name: string, bits: string): boolean {
  return (policy.sets?.prefixSets?.[name] ?? []).some((entry) => {
    const { prefix, minLength, maxLength } = typeof entry === 'string' ? { prefix: entry } : entry
    const [block, length] = bitsOf(prefix)
    const most = maxLength ?? (minLength === undefined ? length : 32)
    return bits.startsWith(block) && bits.length >= (minLength ?? length) && bits.length <= most
  })
}

const textOf = (value: number): string => `${Math.floor(value / 65_536)}:${value % 65_536}`
const numberOf = (text: string): number => Number(text.split(':')[0]) * 65_536 + Number(text.split(':')[1])
const texts = (attributes: PathAttributes): string[] => [
  ...(attributes.communities ?? []).map(textOf),
  ...(attributes.largeCommunities ?? []).map((item) => item.join(':')),
]

function means(pattern: string, text: string, policy: Policy): boolean {
  if (pattern.startsWith('set:')) {
    return (policy.sets?.communitySets?.[pattern.slice(4)] ?? []).some((item) => means(item, text, policy))
  }
  return new RegExp(`^${pattern.replaceAll('*', '[0-9]+')}$`).test(text)
}

function listHolds(list: ListMatch, has: (text: string) => boolean): boolean {
  return (list.any?.some(has) ?? true) && (list.all?.every(has) ?? true) && !(list.none?.some(has) ?? false)
}

function inRange(match: NumberMatch, value: number): boolean {
  if (typeof match === 'number') return value === match
  return value >= (match.min ?? 0) && value <= (match.max ?? 0xffffffff)
}

function inAses(list: readonly AsMatch[], asn: number | undefined, policy: Policy): boolean {
  if (asn === undefined) return false
  return list.some((item) => {
    if (typeof item === 'number') return item === asn
    if (item.startsWith('set:')) return inAses(policy.sets?.asSets?.[item.slice(4)] ?? [], asn, policy)
    const [from, to] = item.split('-').map(Number)
    return asn >= (from ?? 0) && asn <= (to ?? from ?? 0)
  })
}
