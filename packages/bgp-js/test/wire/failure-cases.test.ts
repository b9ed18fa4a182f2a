import { expect, test } from 'vitest'
import { BgpMessageError } from '../../src/errors.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import { shutdownText } from '../../src/wire/messages/notification.ts'
import { prefixText } from '../../src/wire/prefix-key.ts'
import { type RouteUpdate, resolveUpdate } from '../../src/wire/resolve-update.ts'
import { AS_PATH_65001, MANDATORY, message, NEXT_HOP, NLRI_10, ORIGIN_IGP, update } from './hex.ts'
import { NO_CACHE } from './no-cache.ts'

// Flaws that bit other speakers, each by the name it is known under.

const four = { fourOctetAs: true, internal: false }
const two = { fourOctetAs: false, internal: false }

function read(octets: Uint8Array, session = four): RouteUpdate {
  const decoded = decodeMessage(octets, session)
  if (decoded.type !== 'update') throw new Error('no UPDATE')
  return resolveUpdate(decoded, session, [4, 6], NO_CACHE)
}

const withdrawn = (update: RouteUpdate): string[] => update.withdrawn.flatMap((item) => item.nlri.keys.map(prefixText))

function notification(octets: Uint8Array): string {
  try {
    const decoded = decodeMessage(octets, four)
    if (decoded.type === 'update') resolveUpdate(decoded, four, [4, 6], NO_CACHE)
    return 'none'
  } catch (error) {
    if (!(error instanceof BgpMessageError)) throw error
    return `${error.notification.code}/${error.notification.subcode}`
  }
}

const openWith = (parameters: string): Uint8Array => message(1, `04 fde9 005a c0000202 ${parameters}`)

test.for([
  ['CVE-2022-40302 FRR: extended length that runs out', 'ff ff'],
  ['CVE-2022-40302 FRR: extended length that lies', 'ff ff 0010 02 0001 00'],
  ['CVE-2022-40318 FRR: parameter cut after its type', '01 02'],
  ['CVE-2022-43681 FRR: capability cut after its code', '03 02 01 41'],
  ['a capability longer than its parameter', '04 02 02 41 04'],
  ['parameters longer than the message', '20 02 06 41 04 0000fde9'],
  ['octets behind the parameters', '02 02 00 00'],
])('%s: OPEN Message Error, nothing read past it', ([, parameters]) => {
  expect(notification(openWith(parameters ?? ''))).toBe('2/0')
})

test('an optional parameter that is no capability list: 2/4', () => {
  expect(notification(openWith('04 01 02 0000'))).toBe('2/4')
})

test('GoBGP 08a001e0: a Software-Version capability whose inner length lies is ignored', () => {
  expect(decodeMessage(openWith('05 02 03 4b 01 ff'), four)).toMatchObject({
    capabilities: [],
  })
})

test('a known capability of the wrong length is ignored', () => {
  expect(decodeMessage(openWith('0b 02 09 41 03 0000fd 01 02 0001'), four)).toMatchObject({ capabilities: [] })
})

test('CVE-2023-38802 FRR, VU#347067: a corrupt attribute 23 travels on, the session stays', () => {
  const { announced, problems } = read(update({ attributes: `${MANDATORY} c0 17 03 ffffff`, nlri: NLRI_10 }))
  expect(problems).toEqual([])
  expect(announced[0]?.attributes.opaque).toEqual([{ flags: 0xe0, code: 23, value: Uint8Array.of(255, 255, 255) }])
})

test('CVE-2023-46752 FRR: a malformed MP_REACH_NLRI is a session reset', () => {
  expect(notification(update({ attributes: `80 0e 03 0002 01 ${MANDATORY}`, nlri: NLRI_10 }))).toBe('3/5')
})

test('FRR d8482bf, CVE-2023-46753: only an unknown transitive attribute is neither a route nor an End-of-RIB', () => {
  expect(read(update({ attributes: 'c0 63 01 00' }))).toMatchObject({
    announced: [],
    withdrawn: [],
    endOfRib: undefined,
  })
  expect(withdrawn(read(update({ attributes: 'c0 63 01 00', nlri: NLRI_10 })))).toEqual(['10.0.0.0/24'])
})

test('CVE-2023-38406 FRR: FlowSpec NLRI of length 0 is not looked at', () => {
  expect(read(update({ attributes: `80 0e 06 0001 85 00 00 00 ${MANDATORY}` }))).toMatchObject({ announced: [] })
})

test('CVE-2023-41358 FRR: NLRI with no attributes at all is withdrawn', () => {
  expect(withdrawn(read(update({ nlri: NLRI_10 })))).toEqual(['10.0.0.0/24'])
})

test('CVE-2019-5892 FRR: attribute 255 from a stranger travels on', () => {
  const { announced } = read(update({ attributes: `${MANDATORY} c0 ff 02 0102`, nlri: NLRI_10 }))
  expect(announced[0]?.attributes.opaque?.[0]).toMatchObject({ code: 255, flags: 0xe0 })
})

test('CVE-2026-30405 GoBGP: NEXT_HOP of two octets is a withdrawal', () => {
  const attributes = `${ORIGIN_IGP} ${AS_PATH_65001} 40 03 02 0a09`
  expect(withdrawn(read(update({ attributes, nlri: NLRI_10 })))).toEqual(['10.0.0.0/24'])
})

test('CVE-2026-41643 GoBGP: a bad AS4_PATH in front of AS_PATH is dropped, whatever the order', () => {
  const bad = 'c0 11 03 020500'
  const path = '40 02 04 02 01 fde9'
  for (const attributes of [`${bad} ${ORIGIN_IGP} ${path} ${NEXT_HOP}`, `${ORIGIN_IGP} ${path} ${NEXT_HOP} ${bad}`]) {
    const { announced } = read(update({ attributes, nlri: NLRI_10 }), two)
    expect(announced[0]?.attributes.asPath).toEqual([{ type: 'sequence', asns: [65001] }])
  }
})

test('CVE-2026-37462 GoBGP: withdrawn and attribute lengths larger than the message', () => {
  expect(notification(message(2, 'ffff 0000'))).toBe('3/1')
  expect(notification(message(2, '0000 ffff'))).toBe('3/1')
  expect(notification(message(2, '0003 180a00 00'))).toBe('3/10')
})

test('CVE-2026-37461 GoBGP: a short IPv6 extended community costs the route, not the session', () => {
  expect(withdrawn(read(update({ attributes: `${MANDATORY} c0 19 03 000102`, nlri: NLRI_10 })))).toEqual([
    '10.0.0.0/24',
  ])
})

test('GoBGP 7b3e5553, b6c58c87: labels without a bottom and Prefix-SID TLVs are not interpreted', () => {
  const labelled = `80 0e 0d 0001 04 04 0a090101 00 ff 000000 ${MANDATORY}`
  expect(read(update({ attributes: labelled }))).toMatchObject({ announced: [], withdrawn: [] })
  const prefixSid = read(update({ attributes: `${MANDATORY} c0 28 03 01ffff`, nlri: NLRI_10 }))
  expect(prefixSid.announced).toHaveLength(1)
})

test('CVE-2019-16159 BIRD: a shutdown text that lies about its length is clamped and made printable', () => {
  const decoded = decodeMessage(message(3, '06 02 ff 68 69 0a ff c3 28'), four)
  if (decoded.type !== 'notification') throw new Error('no NOTIFICATION')
  expect(shutdownText(decoded)).toBe('hi \uFFFD\uFFFD(')
  const empty = decodeMessage(message(3, '06 02'), four)
  expect(empty.type === 'notification' && shutdownText(empty)).toBe(undefined)
})

test('CVE-2024-31949 FRR: work for one message is bounded by its length', () => {
  const nlri = '00'.repeat(4096 - 23 - 22)
  const { announced } = read(update({ attributes: MANDATORY, nlri }))
  expect(announced[0]?.nlri.keys).toHaveLength(4051)
})
