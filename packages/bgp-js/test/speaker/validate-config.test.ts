import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { BgpConfigError, createSpeaker, runSpeaker, type SpeakerConfig } from '../../src/index.ts'
import { silentLog } from '../../src/speaker/ports.ts'
import { parseSpeakerConfig } from '../../src/speaker/validate-config.ts'

const plain = { hasSocketOptions: false, hasBfdSockets: false }
const minimal = { asn: 65001, routerId: '192.0.2.1' }

const problems = (config: unknown, surroundings = plain): string[] => {
  try {
    parseSpeakerConfig(config, surroundings)
    return []
  } catch (error) {
    if (!(error instanceof BgpConfigError)) throw error
    return error.problems.map((item) => `${item.field} ${item.problem}`)
  }
}

test('defaults', () => {
  const config = parseSpeakerConfig({ ...minimal, neighbors: [{ address: '2001:DB8::1', asn: 65002 }] }, plain)
  expect(config).toEqual({
    asn: 65001,
    routerId: '192.0.2.1',
    clusterId: '192.0.2.1',
    listen: [{ address: '0.0.0.0', port: 179 }],
    networks: [],
    neighbors: [
      {
        address: '2001:db8::1',
        port: 179,
        asn: 65002,
        asnRule: 65002,
        passive: false,
        adminDown: false,
        drain: false,
        localAsNoPrepend: false,
        localAsReplace: false,
        removePrivateAs: false,
        holdTime: 90,
        delayOpen: 0,
        connectRetry: 15,
        families: ['ipv4', 'ipv6'],
        addPath: { send: 0, receive: false },
        extendedNextHop: false,
        roleStrict: false,
        maxPrefixes: {},
        routeReflectorClient: false,
        nextHopSelf: false,
        nextHopUnchanged: false,
        nextHop: {},
        allowOwnAs: 0,
        enforceFirstAs: true,
        gracefulRestart: true,
      },
    ],
    dynamicNeighbors: [],
    bmp: [],
    gracefulRestart: { restarting: false, forwardingPreserved: true, restartTimeSeconds: 120, stalePathSeconds: 360 },
    multipath: false,
    alwaysCompareMed: false,
    defaultLocalPref: 100,
    nextHop: {},
    ebgpRequiresPolicy: false,
    drain: false,
  })
})

test('every bad field is named in one error, unknown ones too', () => {
  const config = {
    asn: 0,
    routerId: '192.0.2',
    clusterId: 7,
    listen: { address: 'localhost', port: 70_000, backlog: 1 },
    networks: ['10.0.0.1/24', 'x'],
    multipath: 'yes',
    asNumber: 65001,
    gracefulRestart: { restartTimeSeconds: 5000 },
    neighbors: [
      { address: '224.0.0.1', asn: 65002, holdTime: 2 },
      { address: '10.0.0.1', port: 0, password: 'secret', families: ['ipv5'], neighbour: true },
      { address: '10.0.0.2', asn: 1, import: { rules: [{ action: 'drop', prefix: '10/8' }], default: 'maybe' } },
      { address: '10.0.0.2', asn: 1 },
      'peer',
    ],
  }
  expect(problems(config).map((line) => line.split(' ')[0])).toEqual([
    'routerId',
    'asn',
    'clusterId',
    'listen.address',
    'listen.port',
    'listen.backlog',
    'networks[0]',
    'networks[1]',
    'neighbors[4]',
    'neighbors[0].holdTime',
    'neighbors[0].address',
    'neighbors[1].families',
    'neighbors[1].password',
    'neighbors[1].port',
    'neighbors[1].asn',
    'neighbors[1].neighbour',
    'neighbors[2].import.rules[0].action',
    'neighbors[2].import.rules[0].prefix',
    'neighbors[2].import.default',
    'neighbors[4].address',
    'neighbors[4].asn',
    'gracefulRestart.restartTimeSeconds',
    'multipath',
    'neighbors[3].address',
    'asNumber',
  ])
})

test.for([undefined, null, 7, 'text', []])('%s is no configuration', (value) => {
  expect(problems(value)[0]).toMatch(/^configuration must be an object/)
})

test('password and ttlSecurity are refused without a way to set them, and taken with one', () => {
  const config = { ...minimal, neighbors: [{ address: '10.0.0.1', asn: 1, password: 'secret', ttlSecurity: 1 }] }
  expect(problems(config).map((line) => line.split(' ')[0])).toEqual([
    'neighbors[0].ttlSecurity',
    'neighbors[0].password',
  ])
  expect(problems(config, { hasSocketOptions: true, hasBfdSockets: true })).toEqual([])
})

const confederation = { identifier: 100, members: [65010] }
test.for([
  ['addPath.send', { addPath: { send: 0 } }],
  ['addPath.recieve', { addPath: { recieve: true } }],
  ['role', { role: 'boss' }],
  ['role', { role: 'customer', asn: 65001 }],
  ['roleStrict', { roleStrict: true }],
  ['longLivedGracefulRestart.staleTimeSeconds', { longLivedGracefulRestart: { staleTimeSeconds: 0x1000000 } }],
  ['longLivedGracefulRestart', { longLivedGracefulRestart: { staleTimeSeconds: 9 }, gracefulRestart: false }],
  ['delayOpen', { delayOpen: 241 }],
  ['localAs', { localAs: 65001 }],
  ['localAs', { localAs: 65002 }],
  ['localAs', { localAs: 65050, asn: 65001 }],
  ['localAsReplace', { localAsReplace: true }],
  ['removePrivateAs', { removePrivateAs: 'some' }],
  ['localAsNoPrepend', { localAsNoPrepend: true }],
  ['maxPrefixes', { maxPrefixes: 0 }],
  ['maxPrefixes.limit', { maxPrefixes: {} }],
  ['maxPrefixes.ipv4.warnAtPercent', { maxPrefixes: { ipv4: { limit: 1, warnAtPercent: 0 } } }],
  ['maxPrefixes.ipv6.action', { maxPrefixes: { ipv6: { limit: 1, action: 'panic' } } }],
  ['maxPrefixes.restartAfterSeconds', { maxPrefixes: { limit: 1, action: 'warn', restartAfterSeconds: 9 } }],
  ['maxPrefixes.ipv5', { maxPrefixes: { ipv4: 1, ipv5: 1 } }],
  ['asn', { asn: 'external' }],
  ['address', { address: 'fe80::1' }],
  ['address', { address: '2001:db8::1%eth0' }],
  ['address', { interface: 'eth0' }],
  ['interface', { address: undefined, interface: 'no such/name' }],
] as const)('refused: %s in %o', ([field, peer]) => {
  const config = { ...minimal, neighbors: [{ address: '10.0.0.1', asn: 65002, ...peer }] }
  expect(problems(config).map((line) => line.split(' ')[0])).toEqual([`neighbors[0].${field}`])
})

test.for([
  ['dynamicNeighbors[0].prefix', { prefix: '10.0.0.1/8' }],
  ['dynamicNeighbors[0].address', { address: '10.0.0.1' }],
  ['dynamicNeighbors[0].port', { port: 179 }],
  ['dynamicNeighbors[0].limit', { limit: 0 }],
  ['dynamicNeighbors[0].asn', { asn: [] }],
  ['dynamicNeighbors[0].asn', { asn: [65001, 65002] }],
  ['dynamicNeighbors[0].asn[1]', { asn: [65002, 'x'] }],
] as const)('refused: %s in %o', ([field, group]) => {
  const config = { ...minimal, dynamicNeighbors: [{ prefix: '10.0.0.0/8', asn: 'external', ...group }] }
  expect(problems(config).map((line) => line.split(' ')[0])).toEqual([field])
})

test('a confederation: its identifier is no member and no peer', () => {
  const config = (more: object, asn = 65002) => ({
    ...minimal,
    confederation: { ...confederation, ...more },
    neighbors: [{ address: '10.0.0.1', asn }],
  })
  expect(problems(config({}))).toEqual([])
  expect(problems(config({ members: [100] }))[0]).toMatch(/^confederation.members /)
  expect(problems(config({}, 100))[0]).toMatch(/^neighbors\[0\].asn /)
  expect(problems(config({ membres: [] }))[0]).toMatch(/^confederation.membres /)
})

test('peers on a link: link-local with its zone, or an interface alone', () => {
  const neighbors = [
    { address: 'FE80::1%eth0', asn: 65002 },
    { interface: 'eth1', asn: 'external' },
    { interface: 'eth2', asn: 'internal' },
  ]
  expect(parseSpeakerConfig({ ...minimal, neighbors }, plain).neighbors).toMatchObject([
    { address: 'fe80::1%eth0', asn: 65002, extendedNextHop: false },
    { address: 'eth1', interface: 'eth1', asn: 0, asnRule: 'external', extendedNextHop: true },
    { address: 'eth2', interface: 'eth2', asn: 65001, asnRule: 65001 },
  ])
})

test('the three shapes of maxPrefixes', () => {
  const shapes = [7, { limit: 7, action: 'shutdown' }, { ipv6: { limit: 7, restartAfterSeconds: 60 } }]
  const neighbors = shapes.map((maxPrefixes, n) => ({ address: `10.0.0.${n + 1}`, asn: 1, maxPrefixes }))
  const seven = { limit: 7, warnAtPercent: 75, action: 'restart', restartAfterSeconds: undefined }
  expect(parseSpeakerConfig({ ...minimal, neighbors }, plain).neighbors.map((peer) => peer.maxPrefixes)).toEqual([
    { ipv4: seven, ipv6: seven },
    { ipv4: { ...seven, action: 'shutdown' }, ipv6: { ...seven, action: 'shutdown' } },
    { ipv6: { ...seven, restartAfterSeconds: 60 } },
  ])
})

test('kube-router 1816886c: a password is in no error, status or dump', () => {
  const socketOptions = { open: () => 0, apply: () => undefined }
  const config: SpeakerConfig = { ...minimal, neighbors: [{ address: '10.0.0.1', asn: 1, password: 'hunter2' }] }
  const speaker = createSpeaker(config, { socketOptions })
  expect(JSON.stringify([speaker.peers(), speaker.routes(), speaker])).not.toContain('hunter2')
  try {
    createSpeaker({ ...config, asn: -1 })
    expect.unreachable()
  } catch (error) {
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('hunter2')
  }
})

test('runSpeaker names a bad http beside the rest', async () => {
  const error: unknown = await runSpeaker({ ...minimal, asn: 'x', http: 'nowhere' }, { log: silentLog }).catch(
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BgpConfigError)
  expect((error as BgpConfigError).problems.map((item) => item.field)).toEqual(['http', 'asn'])
})

test('the README lists exactly the error codes', () => {
  const source = readFileSync(new URL('../../src/errors.ts', import.meta.url), 'utf8')
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const codes = (text: string, pattern: RegExp): Set<string> => new Set(text.match(pattern))
  expect(codes(readme, /\bBGP_[A-Z_]+/g)).toEqual(codes(source, /\bBGP_[A-Z_]+/g))
})
