import { expect, test } from 'vitest'
import { eventually } from '../interop/eventually.ts'
import { established, freshAddress, peer, reaches, Speakers, statusOf } from './loopback.ts'

const refuseOneToOne = {
  rules: [{ match: { cidr: '10.1.0.0/16' }, then: 'reject' as const }],
  default: 'accept' as const,
}

test('the status says what was agreed on, what happened, and when the table was sent', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, {
    networks: ['10.1.0.0/16'],
    neighbors: [peer(b, 65002, { maxPrefixes: 10, addPath: { send: true } })],
  })
  const two = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { addPath: { receive: true } })] })
  await established(one, b)
  await reaches(two, '10.1.0.0/16', `${a} [65001] ${a}`)
  const status = await eventually('the table was sent', async () => {
    const now = statusOf(one, b)
    return now.prefixes.ipv4.convergenceSeconds === undefined ? undefined : now
  })
  expect(status).toMatchObject({
    peerKind: 'external',
    remoteAddress: b,
    problem: undefined,
    heldBy: [],
    drained: false,
    bfd: undefined,
    limits: { ipv4: { limit: 10, action: 'restart' } },
    negotiated: {
      families: ['ipv4', 'ipv6'],
      addPath: { send: ['ipv4', 'ipv6'], receive: [] },
      fourOctetAs: true,
      enhancedRefresh: true,
    },
  })
  expect(status.stateHistory.at(-1)).toMatchObject({ to: 'Established' })
  await two.stop({ text: 'work on the rack' })
  const down = await eventually('the session is down', async () => {
    const now = statusOf(one, b)
    return now.state === 'Established' ? undefined : now
  })
  expect(down.lastErrorReceived).toMatchObject({
    name: 'Cease/Hard Reset (Cease/Administrative Shutdown)',
    text: 'work on the rack',
  })
  expect(down.problem).toContain('(Cease/Administrative Shutdown): work on the rack')
})

test('a peer of another AS and one that nobody is at are told apart', async () => {
  const [a, b, nobody] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002), peer(nobody, 65004)] })
  await speakers.start(b, 65003, { neighbors: [peer(a, 65001)] })
  const problemIs = async (address: string, text: string): Promise<void> => {
    await eventually(text, async () => statusOf(one, address).problem?.includes(text) === true, {
      describe: async () => statusOf(one, address).problem,
    })
  }
  await problemIs(b, 'peer says AS 65003, configured 65002')
  await problemIs(nobody, `${nobody}:`)
  expect(statusOf(one, nobody).problem).toMatch(/refuses TCP connections/)
})

test('Established, but not everything advertised: the reasons are counted', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, {
    networks: ['10.1.1.0/24', '10.1.2.0/24', '10.2.0.0/16', 'fd00::/64'],
    nextHop: {},
    neighbors: [peer(b, 65002, { export: refuseOneToOne })],
  })
  const two = await speakers.start(b, 65002, { networks: ['10.9.0.0/16'], neighbors: [peer(a, 65001)] })
  await reaches(one, '10.9.0.0/16', `${b} [65002] ${b}`)
  await reaches(two, '10.2.0.0/16', `${a} [65001] ${a}`)
  const { notAdvertised } = one.peer(b) ?? {}
  expect(notAdvertised?.ipv4).toMatchObject({
    locRib: 4,
    advertised: 1,
    sampled: 4,
    complete: true,
    reasons: { policy: 2, cameFromPeer: 1 },
  })
  expect(notAdvertised?.ipv4.summary).toMatch(/^of 4 routes: 2 policy \(refused by the export policy\), 1 cameFromPeer/)
  expect(notAdvertised?.ipv6).toMatchObject({ locRib: 1, advertised: 0, reasons: { noOwnNextHop: 1 } })
  expect(one.peer('127.9.9.9')).toBeUndefined()
})

test('an explanation has every candidate, every refusal, and who is told', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, {
    networks: ['10.0.0.0/8'],
    neighbors: [peer(b, 65002), peer(c, 65003, { import: refuseOneToOne })],
  })
  const networks = ['10.1.0.0/16']
  await speakers.start(b, 65002, { networks, neighbors: [peer(a, 65001)] })
  await speakers.start(c, 65003, { networks, neighbors: [peer(a, 65001)] })
  await reaches(one, '10.1.0.0/16', `${b} [65002] ${b}`)
  await established(one, c)
  const explained = await eventually('both sent it, and one was told', async () => {
    const { exact } = one.explain('10.1.0.0/16')
    return exact?.refused.length === 1 && exact.advertisedTo.length === 1 ? exact : undefined
  })
  expect(explained).toMatchObject({
    prefix: '10.1.0.0/16',
    candidates: [{ learnedFrom: b, best: true, reason: 'OnlyPath', rpki: undefined, attributes: { asPath: '65002' } }],
    refused: [{ peer: c, refused: 'policy' }],
    advertisedTo: [{ peer: c, attributes: { asPath: '65001 65002' } }],
    notAdvertisedTo: [{ peer: b, reason: 'cameFromPeer' }],
  })
  expect(one.explain('10.1.2.3')).toMatchObject({ query: '10.1.2.3/32', longestMatch: { prefix: '10.1.0.0/16' } })
  expect(one.explain('10.1.2.3').exact).toBeUndefined()
  expect(one.explain('10.0.0.0/9').longestMatch).toMatchObject({
    prefix: '10.0.0.0/8',
    candidates: [{ source: 'local' }],
  })
  expect(one.explain('192.0.2.0/24')).toEqual({ query: '192.0.2.0/24', exact: undefined, longestMatch: undefined })
  expect(() => one.explain('10.1')).toThrow()
})
