import { expect, test } from 'vitest'
import type { PeerConfig, SpeakerConfig } from '../../src/index.ts'
import { localEndFor } from '../../src/speaker/local-end.ts'
import { peerKind } from '../../src/speaker/peer-kind.ts'
import { parseSpeakerConfig } from '../../src/speaker/validate-config.ts'

function endFor(peer: Partial<PeerConfig>, speaker: Partial<SpeakerConfig> = {}) {
  const config = parseSpeakerConfig(
    { asn: 65001, routerId: '192.0.2.1', ...speaker, neighbors: [{ address: '10.0.0.1', asn: 65002, ...peer }] },
    { hasSocketOptions: true, hasBfdSockets: true },
  )
  const [resolved] = config.neighbors
  if (resolved === undefined) throw new Error('no peer')
  return { end: localEndFor(config, resolved, false), kind: peerKind(config, resolved) }
}
const names = (peer: Partial<PeerConfig>): string[] => endFor(peer).end.capabilities.map((item) => item.name)

test('what is offered by default', () => {
  expect(names({})).toEqual([
    'multiprotocol',
    'multiprotocol',
    'routeRefresh',
    'enhancedRefresh',
    'extendedMessages',
    'gracefulRestart',
    'fourOctetAs',
  ])
})

test('what is offered on demand', () => {
  const { end } = endFor({
    addPath: { send: 4 },
    extendedNextHop: true,
    role: 'rs-client',
    longLivedGracefulRestart: { staleTimeSeconds: 3600 },
    families: ['ipv4'],
  })
  expect(end.role).toEqual({ role: 'rs-client', strict: false })
  expect(end.capabilities).toEqual(
    expect.arrayContaining([
      { name: 'addPath', families: [{ family: 4, send: true, receive: false }] },
      { name: 'extendedNextHop', ipv4OverIpv6: true },
      { name: 'role', value: 2 },
      {
        name: 'longLivedGracefulRestart',
        families: [{ family: 4, forwardingPreserved: true, staleTimeSeconds: 3600 }],
      },
    ]),
  )
  expect(names({ families: ['ipv6'], extendedNextHop: true })).not.toContain('extendedNextHop')
})

const confederation = { identifier: 100, members: [65001, 65010] }
test.for([
  ['an internal peer', { asn: 65001 }, {}, 'internal', 65001],
  ['an external peer', {}, {}, 'external', 65001],
  ['an external peer that knows us as another AS (RFC 7705)', { localAs: 65050 }, {}, 'external', 65050],
  ['a peer in our member AS (RFC 5065)', { asn: 65001 }, { confederation }, 'internal', 65001],
  ['a peer in another member AS', { asn: 65010 }, { confederation }, 'confederation', 65001],
  ['a peer outside the confederation', {}, { confederation }, 'external', 100],
  ['one outside that knows us as another AS', { localAs: 65050 }, { confederation }, 'external', 65050],
] as const)('the AS that %s is told', ([, peer, speaker, kind, asn]) => {
  const found = endFor(peer, speaker)
  expect(found.kind).toBe(kind)
  expect(found.end).toMatchObject({ asn, ownAsn: 65001 })
  expect(found.end.capabilities).toContainEqual({ name: 'fourOctetAs', asn })
})
