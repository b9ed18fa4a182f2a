import { expect, test } from 'vitest'
import { durationText } from '../../src/bgp/duration.ts'
import { explanationText } from '../../src/bgp/explanation-text.ts'
import { peerText } from '../../src/bgp/peer-text.ts'
import { isSilent, peersText } from '../../src/bgp/peers-text.ts'
import { RoutesText } from '../../src/bgp/routes-text.ts'
import { EXPLANATION, NOW, PAGE, PEERS } from './fixtures.ts'

const SPEAKER = { asn: 65001, routerId: '192.0.2.1' }
const golden = async (name: string, text: string): Promise<void> => {
  expect(text.split('\n').filter((line) => line !== line.trimEnd())).toEqual([])
  await expect(text).toMatchFileSnapshot(`../golden/${name}.txt`)
}

test('margay bgp peers', async () => {
  const details = new Map(PEERS.filter(isSilent).map((peer) => [peer.address, peer]))
  expect([...details.keys()]).toEqual(['10.0.0.2'])
  await golden('peers', peersText(SPEAKER, PEERS, details, NOW))
  expect(peersText(SPEAKER, [], new Map(), NOW)).toBe('AS 65001, router id 192.0.2.1, 0 of 0 peers Established\n')
})

test('margay bgp peers ADDRESS', async () => {
  await golden('peer-up', peerText(PEERS[0], NOW))
  await golden('peer-down', peerText(PEERS[1], NOW))
})

test.for(['locRib', 'adjRibIn', 'adjRibOut'] as const)('margay bgp routes --table %s', async (table) => {
  await golden(`routes-${table}`, new RoutesText(table).render(PAGE))
})

test('a second page has no second head, and no narrower columns', () => {
  const text = new RoutesText('adjRibIn')
  const [, first] = text.render(PAGE).split('\n')
  const [again] = text.render({ ...PAGE, adjRibIn: PAGE.adjRibIn.slice(0, 1) }).split('\n')
  expect(again).toBe(first)
})

test('margay bgp explain', async () => {
  await golden('explanation', explanationText(EXPLANATION))
  expect(explanationText({ query: '10.9.0.0/16', exact: undefined, longestMatch: undefined })).toBe(
    '10.9.0.0/16: no route\n',
  )
})

test.for([
  [-5, '00:00:00'],
  [59.9, '00:00:59'],
  [86_399, '23:59:59'],
  [86_400, '1d00h'],
  [604_799, '6d23h'],
  [604_800, '1w0d'],
] as const)('%d s: %s', ([seconds, text]) => {
  expect(durationText(seconds)).toBe(text)
})
