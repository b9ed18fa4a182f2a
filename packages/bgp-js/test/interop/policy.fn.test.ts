import { expect, test } from 'vitest'
import type { PeerConfig, Policy } from '../../src/index.ts'
import { Bird } from './bird.ts'
import type { Daemon, DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { Frr } from './frr.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

const [OUR_ASN, THEIR_ASN] = [64_700, 65_001]
const setup: DaemonSetup = {
  asn: THEIR_ASN,
  ourAsn: OUR_ASN,
  routerId: '192.0.2.1',
  networks: ['10.50.0.0/24', '10.51.0.0/16'],
}

const importPolicy: Policy = {
  rules: [
    { match: { prefixLength: { max: 16 } }, then: 'reject' },
    {
      match: {
        communities: { all: ['65001:77', '65001:7:*', 'rt:65001:99'] },
        asPath: '^65001$',
        neighborAs: ['65000-65010'],
      },
      actions: [
        { setLocalPref: 300 },
        { removeCommunities: ['65001:7:*', 'rt:*:*'] },
        { addCommunities: ['64700:1'] },
        { addTags: ['seen'] },
      ],
      then: 'accept',
    },
  ],
}
const exportPolicy: Policy = {
  rules: [
    {
      match: { source: 'local', cidr: '10.20.0.0/24', matchOperator: 'Equal' },
      actions: [
        { prepend: { asn: 'own', count: 2 } },
        { setMed: 70 },
        { setNextHop: '10.9.1.77' },
        { addCommunities: ['64700:9', '64700:9:9', 'rt:64700:9'] },
      ],
      then: 'accept',
    },
  ],
}
const CHANGED: Policy = { rules: [{ actions: [{ setMed: 80 }], then: 'accept' }] }

const daemons: { name: string; make: (link: Link) => Daemon & { log: string } }[] = [
  { name: 'BIRD', make: (link) => new Bird(link, setup) },
  { name: 'FRR', make: (link) => new Frr(link, setup) },
]

test.for(daemons)('$name: both policies, and a change of them on the running session', async ({ make }) => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  await using daemon = make(link)
  await daemon.start()
  const peer: PeerConfig = { address: link.theirs.ipv4, asn: THEIR_ASN, connectRetry: 2, families: ['ipv4'] }
  await using speaker = await SpeakerChild.start(star.ours, {
    asn: OUR_ASN,
    routerId: '192.0.2.2',
    networks: ['10.20.0.0/24', '10.21.0.0/24'],
    neighbors: [{ ...peer, import: importPolicy, export: exportPolicy }],
  })
  const options = { describe: async () => `${speaker.log}\n${daemon.log}` }
  const shown = await eventually(
    'our route is there',
    async () => (await daemon.route('10.20.0.0/24')) || false,
    options,
  )
  expect(shown.match(/\b64700\b(?![:,])/g)?.length).toBeGreaterThanOrEqual(3)
  expect(shown).toMatch(/64700 64700 64700/)
  expect(shown).toMatch(/64700[:,]9/)
  expect(shown).toMatch(/64700[:,] ?9[:,] ?9/)
  expect(shown).toContain('10.9.1.77')
  expect(shown).toMatch(/\b70\b/)
  expect(await daemon.route('10.21.0.0/24')).toBe('')

  const learned = async (): Promise<boolean> => (await speaker.learned()).includes('10.50.0.0/24')
  await eventually('their route is here', learned, options)
  const { locRib } = await speaker.routes({ prefix: '10.50.0.0/24' })
  const attributes = locRib[0]?.paths[0]?.attributes
  expect(attributes).toMatchObject({ localPref: 300, communities: ['65001:77', '64700:1'] })
  expect([attributes?.largeCommunities, attributes?.extendedCommunities]).toEqual([undefined, undefined])
  expect(await speaker.learned()).toEqual(['10.50.0.0/24'])

  const [before] = await speaker.peers()
  await speaker.updatePeer({ ...peer, import: { rules: [], default: 'accept' }, export: CHANGED })
  await eventually('the other route is there', async () => (await daemon.route('10.21.0.0/24')) !== '', options)
  const isChanged = async (): Promise<boolean> => !(await daemon.route('10.20.0.0/24')).includes('64700 64700')
  await eventually('the first one has changed', isChanged, options)
  await eventually('both of theirs are here', async () => (await speaker.learned()).length === 2, options)
  const [after] = await speaker.peers()
  expect(after).toMatchObject({ state: 'Established', since: before?.since, flaps: 0 })
})
