import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compilePolicy } from '../../src/policy/compile-policy.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { ImportContext } from '../../src/rib/import-rules.ts'
import { type ImportSettings, importJudge } from '../../src/speaker/peer-import.ts'
import { attributes, key, source, world } from '../rib/paths.ts'

const CONTEXT: ImportContext = {
  localAsn: 65001,
  peerAsn: 65002,
  kind: 'external',
  routerId: '192.0.2.1',
  clusterId: '192.0.2.1',
  localAddress: '192.0.2.1',
  allowOwnAs: 0,
  enforceFirstAs: true,
}

const POLICIES: readonly (Policy | undefined)[] = [
  undefined,
  { rules: [{ actions: [{ setLocalPref: 200 }], then: 'accept' }], default: 'reject' },
  { rules: [{ match: { communities: { any: ['65002:1'] } }, then: 'reject' }], default: 'accept' },
  {
    rules: [
      { match: { family: 'ipv4', cidr: '10.1.0.0/16' }, actions: [{ addCommunities: ['65001:1'] }], then: 'accept' },
      { match: { family: 'ipv4', cidr: '10.2.0.0/16' }, then: 'reject' },
    ],
    default: 'accept',
  },
]
const ROUTES = [
  attributes(),
  attributes({ communities: [65002 * 65_536 + 1] }),
  attributes({ communities: [0xffff0000] }),
  attributes({ asPath: [{ type: 'sequence', asns: [65002, 65001] }] }),
  attributes({ asPath: [{ type: 'sequence', asns: [65009] }] }),
  attributes({ nextHop: '192.0.2.1' }),
]

test('a judge that remembers says what a new one says, for every prefix and attribute set in turn', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('10.1.1.0/24', '10.2.1.0/24', '10.3.1.0/24'), fc.nat(5)), {
    maxLength: 30,
  })
  const setting = fc.record({ policy: fc.constantFrom(...POLICIES), refuseAll: fc.boolean(), steps })
  fc.assert(
    fc.property(setting, ({ policy, refuseAll, steps }) => {
      const { locRib, peer } = world()
      const from = source('10.0.0.1')
      const table = peer(from).tables[4]
      const settings: ImportSettings = {
        context: CONTEXT,
        policy: policy === undefined ? undefined : compilePolicy(policy, 'import'),
        policyPeer: { address: '10.0.0.1', asn: 65002, type: 'eBGP', localAsn: 65001 },
        facts: {},
        refuseAll,
      }
      const sets = ROUTES.map((route) => locRib.attributes.intern(route))
      for (const { id } of sets) locRib.attributes.retain(id)
      const judge = importJudge(settings, locRib, 4, from)
      for (const [prefix, index] of steps) {
        const received = sets[index] as (typeof sets)[number]
        const number = locRib.family(4).prefixes.internKey(key(prefix))
        const fresh = importJudge(settings, locRib, 4, from)(number, received)
        const verdict = judge(number, received)
        if (typeof verdict === 'string' || typeof fresh === 'string') expect(verdict).toBe(fresh)
        else expect(verdict.attributes).toEqual(fresh.attributes)
        table.announce(number, 0, received, verdict)
      }
      for (const prefix of ['10.1.1.0/24', '10.2.1.0/24', '10.3.1.0/24']) {
        const number = locRib.family(4).prefixes.findKey(key(prefix))
        if (number !== 0) table.withdraw(number)
      }
      // What it made is gone with the last path that has it.
      expect(locRib.attributes.size).toBe(sets.length)
    }),
    { numRuns: 300 },
  )
})
