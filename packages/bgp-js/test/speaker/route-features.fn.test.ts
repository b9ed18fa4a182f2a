import { expect, test } from 'vitest'
import type { PathView, RouteAttributes, Speaker } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { best, freshAddress, peer, reaches, Speakers, statusOf } from './loopback.ts'

const PREFIX = '10.1.0.0/16'

const paths = (speaker: Speaker, prefix = PREFIX): readonly PathView[] =>
  speaker.routes({ prefix }).locRib[0]?.paths ?? []

/** What the best path of a prefix looks like, once it is there. */
const arrives = async (speaker: Speaker, prefix = PREFIX): Promise<RouteAttributes> =>
  eventually(`${prefix} arrives`, async () => paths(speaker, prefix).find((path) => path.best)?.attributes)

test('ADD-PATH: a peer sees every path, as many as it is to see, and each go (RFC 7911)', async () => {
  const [hub, a, b, reader] = [freshAddress(), freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const sends = { addPath: { send: true } }
  const neighbors = [peer(a, 65002), peer(b, 65003), peer(reader, 65001, sends)]
  const center = await speakers.start(hub, 65001, { neighbors })
  const [first] = await Promise.all([
    speakers.start(a, 65002, { networks: [PREFIX], neighbors: [peer(hub, 65001)] }),
    speakers.start(b, 65003, { networks: [PREFIX], neighbors: [peer(hub, 65001)] }),
  ])
  const receives = { addPath: { receive: true } }
  const end = await speakers.start(reader, 65001, { neighbors: [peer(hub, 65001, receives)] })
  await eventually('both paths', async () => paths(end).length === 2, { describe: async () => paths(end) })
  expect(new Set(paths(end).map((path) => path.attributes.asPath))).toEqual(new Set(['65002', '65003']))
  expect(new Set(paths(end).map((path) => path.pathId)).size).toBe(2)
  center.updatePeer(peer(reader, 65001, { addPath: { send: 1 } }))
  await eventually('the best alone', async () => paths(end).length === 1)
  center.updatePeer(peer(reader, 65001, sends))
  await eventually('both again', async () => paths(end).length === 2)
  expect(statusOf(center, reader).flaps).toBe(0)
  first.withdraw(PREFIX)
  await eventually('one gone', async () => paths(end).length === 1)
  expect(paths(end)[0]?.attributes.asPath).toBe('65003')
})

test('a confederation: member ASes inside, one AS outside, LOCAL_PREF and next hop kept between members (RFC 5065)', async () => {
  const [origin, border, inner, outside] = [freshAddress(), freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const confederation = (...members: number[]) => ({ identifier: 65000, members })
  const importing = { rules: [{ actions: [{ setLocalPref: 250 }], then: 'accept' as const }] }
  await speakers.start(origin, 65010, { networks: [PREFIX], neighbors: [peer(border, 65000)] })
  const toOrigin = peer(origin, 65010, { import: importing })
  await speakers.start(border, 64601, {
    confederation: confederation(64602),
    neighbors: [toOrigin, peer(inner, 64602)],
  })
  const member = await speakers.start(inner, 64602, {
    confederation: confederation(64601),
    neighbors: [peer(border, 64601), peer(outside, 65020)],
  })
  const other = await speakers.start(outside, 65020, { neighbors: [peer(inner, 65000)] })
  expect(await arrives(member)).toMatchObject({ asPath: '(64601) 65010', localPref: 250, nextHop: origin })
  expect(await arrives(other)).toMatchObject({ asPath: '65000 65010' })
})

test('local-as: who the peer knows us as, in paths both ways (RFC 7705)', async () => {
  const [a, b, behind] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const posed = (more = {}) => peer(b, 65002, { localAs: 65099, ...more })
  const us = await speakers.start(a, 65001, { networks: ['10.2.0.0/16'], neighbors: [posed(), peer(behind, 65001)] })
  const them = await speakers.start(b, 65002, { networks: [PREFIX], neighbors: [peer(a, 65099)] })
  const third = await speakers.start(behind, 65001, { neighbors: [peer(a, 65001)] })
  expect(await arrives(them, '10.2.0.0/16')).toMatchObject({ asPath: '65099 65001' })
  expect(await arrives(third)).toMatchObject({ asPath: '65099 65002' })
  us.updatePeer(posed({ localAsNoPrepend: true, localAsReplace: true }))
  await eventually('our own AS is hidden', async () => (await arrives(them, '10.2.0.0/16')).asPath === '65099')
  await eventually('theirs stands alone', async () => (await arrives(third)).asPath === '65002')
  expect(statusOf(us, b).flaps).toBe(0)
})

test('a route leak stops where roles say so (RFC 9234 5)', async () => {
  const [provider, customer, other] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await speakers.start(provider, 65001, {
    networks: [PREFIX],
    neighbors: [peer(customer, 65002, { role: 'provider' })],
  })
  const middle = await speakers.start(customer, 65002, {
    networks: ['10.2.0.0/16'],
    neighbors: [peer(provider, 65001, { role: 'customer' }), peer(other, 65003, { role: 'customer' })],
  })
  const second = await speakers.start(other, 65003, { neighbors: [peer(customer, 65002, { role: 'provider' })] })
  await arrives(middle)
  await arrives(second, '10.2.0.0/16')
  expect(best(second, PREFIX)).toBe(undefined)
  expect(middle.routes({ prefix: PREFIX, peer: other }).adjRibOut).toMatchObject([{ notAnnounced: 'onlyToCustomer' }])
})

test('remove-private-as: taken out or replaced on the way, without a session reset (RFC 6996)', async () => {
  const [edge, us, them] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await speakers.start(edge, 64600, { networks: [PREFIX], neighbors: [peer(us, 64534)] })
  const middle = await speakers.start(us, 64534, { neighbors: [peer(edge, 64600), peer(them, 3356)] })
  const far = await speakers.start(them, 3356, { neighbors: [peer(us, 64534)] })
  expect((await arrives(far)).asPath).toBe('64534 64600')
  middle.updatePeer(peer(them, 3356, { removePrivateAs: 'all' }))
  await eventually('taken out', async () => (await arrives(far)).asPath === '64534')
  middle.updatePeer(peer(them, 3356, { removePrivateAs: 'replace' }))
  await eventually('replaced', async () => (await arrives(far)).asPath === '64534 64534')
  expect(statusOf(middle, them).flaps).toBe(0)
})

test('drain: routes say that they are about to go and are the last choice, and come back, without a reset (RFC 8326)', async () => {
  const [us, out, inside] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const speaker = await speakers.start(us, 65001, {
    networks: [PREFIX],
    neighbors: [peer(out, 65002), peer(inside, 65001)],
  })
  const external = await speakers.start(out, 65002, { neighbors: [peer(us, 65001)] })
  const internal = await speakers.start(inside, 65001, { neighbors: [peer(us, 65001)] })
  expect((await arrives(external)).communities).toBe(undefined)
  speaker.drain()
  const marked = ['graceful-shutdown']
  await eventually('outside', async () => (await arrives(external)).communities?.includes('graceful-shutdown'))
  expect(await arrives(external)).toMatchObject({ communities: marked, localPref: 0 })
  await eventually('inside', async () => (await arrives(internal)).localPref === 0)
  speaker.undrain()
  await eventually('back', async () => (await arrives(external)).communities === undefined)
  await eventually('back inside', async () => (await arrives(internal)).localPref === 100)
  expect(statusOf(speaker, out).flaps).toBe(0)
})

test('long-lived: routes of a peer that is gone stay as the last choice, and go to those alone who know the mark (RFC 9494)', async () => {
  const [gone, us, knows, doesNot] = [freshAddress(), freshAddress(), freshAddress(), freshAddress()]
  const long = { longLivedGracefulRestart: { staleTimeSeconds: 600 } }
  await using speakers = new Speakers()
  const restarting = { gracefulRestart: { restartTimeSeconds: 1 } }
  const leaving = await speakers.start(gone, 65002, {
    ...restarting,
    networks: [PREFIX, '10.2.0.0/16'],
    neighbors: [peer(us, 65001, long)],
  })
  leaving.originate('10.2.0.0/16', { communities: ['no-llgr'] })
  const speaker = await speakers.start(us, 65001, {
    neighbors: [peer(gone, 65002, long), peer(knows, 65001, long), peer(doesNot, 65001)],
  })
  const aware = await speakers.start(knows, 65001, { neighbors: [peer(us, 65001, long)] })
  const unaware = await speakers.start(doesNot, 65001, { neighbors: [peer(us, 65001)] })
  for (const each of [speaker, aware, unaware])
    for (const prefix of [PREFIX, '10.2.0.0/16']) await arrives(each, prefix)
  await leaving.stop({ graceful: true })
  await eventually('marked', async () => (await arrives(aware)).communities?.includes('llgr-stale'))
  await reaches(unaware, PREFIX, undefined)
  await reaches(speaker, '10.2.0.0/16', undefined)
  expect(paths(speaker)).toHaveLength(1)
})

test('a policy by interface: routes whose next hop is on it, and not those of another', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const by = (name: string) => ({ rules: [{ match: { interface: name }, then: 'accept' as const }] })
  const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, 65002, { import: by('eth9') })] })
  await speakers.start(them, 65002, { networks: [PREFIX], neighbors: [peer(us, 65001)] })
  await eventually(
    'refused',
    async () => speaker.routes({ prefix: PREFIX, peer: them }).adjRibIn[0]?.refused === 'policy',
  )
  speaker.updatePeer(peer(them, 65002, { import: by('l*') }))
  await arrives(speaker)
})
