import fc from 'fast-check'
import type { Rule } from 'node-iptables'
import { expect, test } from 'vitest'
import { endpointChain, ipSetName, policyChain } from '../../src/policy/chain-names.ts'
import { renderDispatch } from '../../src/policy/dispatch.ts'

const LEGAL = /^mgy-[A-Za-z0-9_.-]{1,24}$/
const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/)
const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?$/)

test('policy chains are legal, and different for different policies', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(label, name), { selector: (each) => each.join('/'), maxLength: 50 }),
      (keys) => {
        const chains = keys.flatMap(([ns, each]) => [policyChain('ingress', ns, each), policyChain('egress', ns, each)])
        for (const chain of chains) expect(chain).toMatch(LEGAL)
        expect(new Set(chains).size).toBe(chains.length)
      },
    ),
  )
})

test('a short name is there to read, a long one ends in a hash', () => {
  expect(policyChain('ingress', 'default', 'deny')).toBe('mgy-pi-default.deny')
  expect(policyChain('ingress', 'default', 'x'.repeat(253))).toMatch(/^mgy-pi-default\.xx_.{10}$/)
})

test('endpoint chains and sets fit their limits', () => {
  expect(endpointChain('ingress', 'mgy0123456789a').length).toBeLessThanOrEqual(28)
  expect(ipSetName(4, 'x'.repeat(20)).length).toBeLessThanOrEqual(31)
})

/** Where a packet of an interface ends: the chain of its endpoint, or undefined when it is dropped. */
function follow(chains: ReturnType<typeof renderDispatch>, root: string, interfaceName: string): string | undefined {
  let chain: string | undefined = root
  while (chain !== undefined && chains.has(chain)) {
    const rule: Rule | undefined = chains.get(chain)?.find(({ match = [] }) =>
      match.every((each) => {
        if (each.kind !== 'inInterface' && each.kind !== 'outInterface') return false
        return each.name.endsWith('+') ? interfaceName.startsWith(each.name.slice(0, -1)) : each.name === interfaceName
      }),
    )
    chain = rule?.action.kind === 'goto' ? rule.action.chain : undefined
  }
  return chain
}

test('the dispatch tree leads every interface to its endpoint in few steps, and drops all others', () => {
  const interfaceName = fc.stringMatching(/^mgy[0-9a-f]{11}$/)
  fc.assert(
    fc.property(fc.uniqueArray(interfaceName, { maxLength: 200 }), interfaceName, (names, stranger) => {
      for (const [direction, root] of [
        ['ingress', 'mgy-to-wl-dispatch'],
        ['egress', 'mgy-from-wl-dispatch'],
      ] as const) {
        const chains = renderDispatch(direction, names)
        for (const chain of chains.keys()) expect(chain).toMatch(LEGAL)
        for (const each of names) expect(follow(chains, root, each)).toBe(endpointChain(direction, each))
        if (!names.includes(stranger)) expect(follow(chains, root, stranger)).toBeUndefined()
        // No longer than the leaf, or the sixteen digits, and the drop.
        for (const rules of chains.values()) expect(rules.length).toBeLessThanOrEqual(17)
      }
    }),
    { numRuns: 50 },
  )
})
