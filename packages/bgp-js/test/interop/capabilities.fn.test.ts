import { expect, test } from 'vitest'
import type { PeerConfig, PeerStatus, SpeakerConfig } from '../../src/index.ts'
import { Bird } from './bird.ts'
import type { DaemonProcess, DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { ExaBgp } from './exabgp.ts'
import { Frr } from './frr.ts'
import { GoBgp } from './gobgp.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { OpenBgpd } from './openbgpd.ts'
import { SpeakerChild } from './speaker-child.ts'

type Make = (link: Link, setup: DaemonSetup) => DaemonProcess

const daemons: readonly { readonly name: string; readonly make: Make }[] = [
  { name: 'BIRD', make: (link, setup) => new Bird(link, setup) },
  { name: 'FRR', make: (link, setup) => new Frr(link, setup) },
  { name: 'GoBGP', make: (link, setup) => new GoBgp(link, setup) },
  { name: 'ExaBGP', make: (link, setup) => new ExaBgp(link, setup) },
  { name: 'OpenBGPD', make: (link, setup) => new OpenBgpd(link, setup) },
]

interface Pairing {
  /** The daemon's words; default none. */
  readonly extra?: string
  /** Default BIRD. */
  readonly make?: Make
  readonly peer?: Partial<PeerConfig>
  readonly speaker?: Partial<SpeakerConfig>
  /** The AS that the daemon knows us as; default 65002. */
  readonly ourAsn?: number
}

/** What becomes of a session between a daemon and us. */
async function meet(pairing: Pairing, settled: (status: PeerStatus) => boolean): Promise<PeerStatus> {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const { extra = '', ourAsn = 65002, make = (at, setup) => new Bird(at, setup) } = pairing
  await using daemon = make(link, { asn: 65001, ourAsn, routerId: '192.0.2.1', networks: ['10.50.0.0/24'], extra })
  await daemon.start()
  await using speaker = await SpeakerChild.start(star.ours, {
    asn: 65002,
    routerId: '192.0.2.2',
    listen: { address: '0.0.0.0', port: 179 },
    neighbors: [{ address: link.theirs.ipv4, asn: 65001, connectRetry: 1, ...pairing.peer }],
    ...pairing.speaker,
  })
  // Awaited here: both ends go at the end of this function.
  return await eventually(
    'settled',
    async () => {
      const [status] = await speaker.peers()
      return status !== undefined && settled(status) ? status : undefined
    },
    { describe: async () => `${speaker.log}\n${daemon.log}` },
  )
}
const isUp = (status: PeerStatus): boolean => status.state === 'Established'
const mismatches = (status: PeerStatus): boolean => status.lastError?.subcode === 11

test('BIRD says its role, and ours fits (RFC 9234)', async () => {
  const extra = 'local role customer; require roles on;'
  const status = await meet({ extra, peer: { role: 'provider', roleStrict: true } }, isUp)
  expect(status.capabilities.remote).toContainEqual({ name: 'role', value: 3 })
})

test('roles that do not fit: BIRD and we call it by the same code (RFC 9234)', async () => {
  const status = await meet({ extra: 'local role customer;', peer: { role: 'customer' } }, mismatches)
  expect(status.lastError).toMatchObject({ code: 2, name: 'OPEN Message Error/Role Mismatch' })
})

test('BIRD requires a role that we do not say', async () => {
  const status = await meet({ extra: 'local role customer; require roles on;' }, mismatches)
  expect(status.lastError).toMatchObject({ direction: 'received', code: 2 })
})

test('BIRD offers long-lived graceful restart, enhanced refresh and four-octet AS numbers (RFC 9494, RFC 7313)', async () => {
  const extra = 'long lived graceful restart on; long lived stale time 3600; enable extended messages;'
  const peer = { longLivedGracefulRestart: { staleTimeSeconds: 600 } }
  const { capabilities } = await meet({ extra, peer }, isUp)
  const longLived = capabilities.remote.find((item) => item.name === 'longLivedGracefulRestart')
  expect(longLived?.families.map((item) => [item.family, item.staleTimeSeconds])).toEqual([
    [4, 3600],
    [6, 3600],
  ])
  expect(capabilities.remote.map((item) => item.name)).toEqual(
    expect.arrayContaining(['enhancedRefresh', 'extendedMessages', 'fourOctetAs']),
  )
})

test.for(daemons)('$name knows us as another AS (RFC 7705)', async ({ make }) => {
  await meet({ make, ourAsn: 65050, peer: { localAs: 65050 } }, isUp)
})

test.for(daemons)('$name is outside of our confederation (RFC 5065)', async ({ make }) => {
  const confederation = { identifier: 64900, members: [65002, 65003] }
  await meet({ make, ourAsn: 64900, speaker: { confederation } }, isUp)
})

test('BIRD is another member of our confederation (RFC 5065)', async () => {
  const confederation = { identifier: 64900, members: [65001, 65002] }
  const extra = 'confederation 64900; confederation member yes;'
  await meet({ extra, speaker: { confederation } }, isUp)
})

test('FRR is another member of our confederation (RFC 5065)', async () => {
  const confederation = { identifier: 64900, members: [65001, 65002] }
  const extra = ' bgp confederation identifier 64900\n bgp confederation peers 65002'
  const make: Make = (link, setup) => new Frr(link, setup)
  await meet({ make, extra, speaker: { confederation } }, isUp)
})
