import type { Direction } from '@margay/model'
import type { Match, Rule } from 'node-iptables'
import { endpointChain, FROM_DISPATCH, TO_DISPATCH } from './chain-names.ts'

/** A chain with more endpoints than this is split by the next character of their names. */
const MAX_LEAF = 8

/**
 * The chains that lead from "a workload's interface" to that endpoint's chain: a tree of name prefixes, since a linear
 * list of a thousand interfaces costs every packet tens of microseconds. An interface that no endpoint owns is dropped.
 */
export function renderDispatch(direction: Direction, interfaceNames: readonly string[]): Map<string, Rule[]> {
  const chains = new Map<string, Rule[]>()
  const root = direction === 'ingress' ? TO_DISPATCH : FROM_DISPATCH
  addChain(chains, root, direction, interfaceNames.toSorted(), 0)
  return chains
}

function addChain(
  chains: Map<string, Rule[]>,
  name: string,
  direction: Direction,
  interfaceNames: readonly string[],
  prefixLength: number,
): void {
  const rules: Rule[] = []
  chains.set(name, rules)
  const root = direction === 'ingress' ? TO_DISPATCH : FROM_DISPATCH
  if (interfaceNames.length <= MAX_LEAF) {
    for (const each of interfaceNames) {
      rules.push({
        match: [interfaceMatch(direction, each)],
        action: { kind: 'goto', chain: endpointChain(direction, each) },
      })
    }
  } else {
    const length = Math.max(prefixLength, commonPrefixLength(interfaceNames)) + 1
    for (const [prefix, group] of Map.groupBy(interfaceNames, (each) => each.slice(0, length))) {
      const child = `${root.replace('-dispatch', '')}-${prefix.slice('mgy'.length)}`
      rules.push({ match: [interfaceMatch(direction, `${prefix}+`)], action: { kind: 'goto', chain: child } })
      addChain(chains, child, direction, group, length)
    }
  }
  rules.push({ action: { kind: 'drop' }, comments: ['unknown workload interface'] })
}

function interfaceMatch(direction: Direction, name: string): Match {
  return { kind: direction === 'ingress' ? 'outInterface' : 'inInterface', name }
}

function commonPrefixLength(sorted: readonly string[]): number {
  const [first = '', last = ''] = [sorted[0], sorted.at(-1)]
  let length = 0
  while (length < first.length && first[length] === last[length]) length++
  return length
}
