import { expect, test } from 'vitest'
import type { PeerConfig } from '../../src/index.ts'
import type { ResolvedPeer } from '../../src/speaker/config.ts'
import { type ChangeEffect, changeEffects } from '../../src/speaker/peer-changes.ts'
import { parsePeerConfig } from '../../src/speaker/validate-config.ts'

const parse = (more: Partial<PeerConfig>): ResolvedPeer =>
  parsePeerConfig(
    { address: '10.0.0.1', asn: 65002, ...more },
    {
      hasSocketOptions: true,
      hasBfdSockets: true,
      speaker: { asn: 65001 },
    },
  )

// Exhaustive by type: every field of a peer's configuration, two values of it, and what the change costs.
const rows: {
  readonly [K in keyof Required<PeerConfig>]: readonly [Partial<PeerConfig>, Partial<PeerConfig>, ChangeEffect]
} = {
  address: [{}, { address: '10.0.0.2' }, 'session'],
  interface: [{}, { interface: 'eth0' }, 'session'],
  asn: [{}, { asn: 65003 }, 'session'],
  port: [{}, { port: 1179 }, 'dial'],
  passive: [{}, { passive: true }, 'dial'],
  connectRetry: [{}, { connectRetry: 5 }, 'dial'],
  sourceAddress: [{}, { sourceAddress: '10.0.0.9' }, 'dial'],
  description: [{}, { description: 'other' }, 'none'],
  adminDown: [{}, { adminDown: true }, 'session'],
  drain: [{}, { drain: true }, 'routes'],
  bfd: [{}, { bfd: {} }, 'bfd'],
  localAs: [{}, { localAs: 65050 }, 'session'],
  localAsNoPrepend: [{ localAs: 65050 }, { localAs: 65050, localAsNoPrepend: true }, 'routes'],
  localAsReplace: [{ localAs: 65050 }, { localAs: 65050, localAsReplace: true }, 'routes'],
  removePrivateAs: [{}, { removePrivateAs: 'all' }, 'routes'],
  holdTime: [{}, { holdTime: 30 }, 'session'],
  keepalive: [{}, { keepalive: 5 }, 'keepalive'],
  delayOpen: [{}, { delayOpen: 5 }, 'none'],
  families: [{}, { families: ['ipv4'] }, 'session'],
  addPath: [{}, { addPath: { send: true } }, 'session'],
  extendedNextHop: [{}, { extendedNextHop: true }, 'session'],
  role: [{}, { role: 'customer' }, 'session'],
  roleStrict: [{ role: 'customer' }, { role: 'customer', roleStrict: true }, 'session'],
  routeReflectorClient: [{}, { routeReflectorClient: true }, 'routes'],
  nextHopSelf: [{}, { nextHopSelf: 'force' }, 'routes'],
  nextHopUnchanged: [{}, { nextHopUnchanged: true }, 'routes'],
  nextHop: [{}, { nextHop: { ipv6: 'fd00::1' } }, 'routes'],
  allowOwnAs: [{}, { allowOwnAs: 1 }, 'routes'],
  enforceFirstAs: [{}, { enforceFirstAs: false }, 'routes'],
  maxPrefixes: [{ maxPrefixes: 5 }, { maxPrefixes: { ipv4: 5 } }, 'limits'],
  gracefulRestart: [{}, { gracefulRestart: false }, 'session'],
  longLivedGracefulRestart: [{}, { longLivedGracefulRestart: { staleTimeSeconds: 9 } }, 'session'],
  ttlSecurity: [{}, { ttlSecurity: 1 }, 'socket'],
  password: [{ password: 'old' }, { password: 'new' }, 'socket'],
  import: [{}, { import: { rules: [], default: 'accept' } }, 'routes'],
  export: [{}, { export: (route) => route }, 'routes'],
}

test.for(Object.entries(rows))('a change of %s', ([field, [before, after, effect]]) => {
  const was = parse(before)
  const is =
    field === 'interface'
      ? parsePeerConfig(
          { interface: 'eth0', asn: 65002 },
          { hasSocketOptions: true, hasBfdSockets: true, speaker: { asn: 65001 } },
        )
      : parse(after)
  expect([...changeEffects(was, parse(before))]).toEqual([])
  expect(changeEffects(was, is)).toContain(effect)
  if (effect !== 'session') expect([...changeEffects(was, is)]).toEqual([effect])
})

test('more paths by ADD-PATH are not a matter of OPEN, a direction is', () => {
  const four = parse({ addPath: { send: 4 } })
  expect([...changeEffects(four, parse({ addPath: { send: 8 } }))]).toEqual(['routes'])
  expect([...changeEffects(four, parse({ addPath: { send: 4, receive: true } }))]).toEqual(['session'])
})
