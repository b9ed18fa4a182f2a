import { expect, test } from 'vitest'
import { BgpMessageError } from '../../src/errors.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import { prefixText } from '../../src/wire/prefix-key.ts'
import { resolveUpdate } from '../../src/wire/resolve-update.ts'
import { AS_PATH_65001, MANDATORY, NEXT_HOP, NLRI_10, ORIGIN_IGP, update } from './hex.ts'
import { NO_CACHE } from './no-cache.ts'

type Outcome = 'accepted' | 'attribute-discard' | 'treat-as-withdraw' | `reset ${number}/${number}`

/** What an UPDATE with these attributes and 10.0.0.0/24 leads to. */
function outcome(attributes: string, options: { internal?: boolean; nlri?: string } = {}): Outcome {
  const session = { fourOctetAs: true, internal: options.internal ?? true }
  try {
    const decoded = decodeMessage(update({ attributes, nlri: options.nlri ?? NLRI_10 }), session)
    if (decoded.type !== 'update') throw new Error('no UPDATE')
    const result = resolveUpdate(decoded, session, [4, 6], NO_CACHE)
    if (result.withdrawn.length > 0) {
      expect(result.withdrawn.flatMap((item) => item.nlri.keys).map(prefixText)).toEqual(['10.0.0.0/24'])
      return 'treat-as-withdraw'
    }
    return result.problems.length > 0 ? 'attribute-discard' : 'accepted'
  } catch (error) {
    if (!(error instanceof BgpMessageError)) throw error
    return `reset ${error.notification.code}/${error.notification.subcode}`
  }
}

const rows: readonly [name: string, attributes: string, expected: Outcome, options?: { internal?: boolean }][] = [
  ['nothing wrong', MANDATORY, 'accepted'],
  ['ORIGIN 3 (RFC 7606 7.1)', `40 01 01 03 ${AS_PATH_65001} ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['ORIGIN of two octets', `40 01 02 0000 ${AS_PATH_65001} ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['ORIGIN missing', `${AS_PATH_65001} ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['AS_PATH missing', `${ORIGIN_IGP} ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['AS_PATH segment type 9 (7.2)', `${ORIGIN_IGP} 40 02 06 09 01 0000fde9 ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['AS_PATH segment overruns', `${ORIGIN_IGP} 40 02 06 02 02 0000fde9 ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['AS_PATH segment of no AS', `${ORIGIN_IGP} 40 02 02 02 00 ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['AS_PATH with one octet left over', `${ORIGIN_IGP} 40 02 07 02 01 0000fde9 02 ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['AS_PATH empty', `${ORIGIN_IGP} 40 02 00 ${NEXT_HOP}`, 'accepted'],
  ['NEXT_HOP missing (3 d)', `${ORIGIN_IGP} ${AS_PATH_65001}`, 'treat-as-withdraw'],
  ['NEXT_HOP of three octets (7.3)', `${ORIGIN_IGP} ${AS_PATH_65001} 40 03 03 0a0901`, 'treat-as-withdraw'],
  ['NEXT_HOP 0.0.0.0', `${ORIGIN_IGP} ${AS_PATH_65001} 40 03 04 00000000`, 'treat-as-withdraw'],
  ['NEXT_HOP 224.0.0.1', `${ORIGIN_IGP} ${AS_PATH_65001} 40 03 04 e0000001`, 'treat-as-withdraw'],
  ['MED of three octets (7.4)', `${MANDATORY} 80 04 03 000001`, 'treat-as-withdraw'],
  ['LOCAL_PREF of two octets (7.5)', `${MANDATORY} 40 05 02 0001`, 'treat-as-withdraw'],
  ['LOCAL_PREF from outside', `${MANDATORY} 40 05 02 0001`, 'attribute-discard', { internal: false }],
  ['ATOMIC_AGGREGATE with a value (7.6)', `${MANDATORY} 40 06 01 00`, 'attribute-discard'],
  ['AGGREGATOR of six octets (7.7)', `${MANDATORY} c0 07 06 fde9c0000201`, 'attribute-discard'],
  ['COMMUNITIES of five octets (7.8)', `${MANDATORY} c0 08 05 fde9004d00`, 'treat-as-withdraw'],
  ['COMMUNITIES empty', `${MANDATORY} c0 08 00`, 'treat-as-withdraw'],
  ['ORIGINATOR_ID of three octets (7.9)', `${MANDATORY} 80 09 03 c00002`, 'treat-as-withdraw'],
  ['ORIGINATOR_ID from outside', `${MANDATORY} 80 09 03 c00002`, 'attribute-discard', { internal: false }],
  ['CLUSTER_LIST of five octets (7.10)', `${MANDATORY} 80 0a 05 c000020100`, 'treat-as-withdraw'],
  ['CLUSTER_LIST from outside', `${MANDATORY} 80 0a 04 c0000201`, 'attribute-discard', { internal: false }],
  ['EXTENDED COMMUNITIES of seven octets (7.14)', `${MANDATORY} c0 10 07 00020000000063`, 'treat-as-withdraw'],
  ['IPv6 extended communities of 19 octets (7.15)', `${MANDATORY} c0 19 13 ${'00'.repeat(19)}`, 'treat-as-withdraw'],
  ['IPv6 extended communities of 20 octets', `${MANDATORY} c0 19 14 ${'00'.repeat(20)}`, 'accepted'],
  ['LARGE_COMMUNITY of 13 octets (RFC 8092 6)', `${MANDATORY} c0 20 0d ${'00'.repeat(13)}`, 'treat-as-withdraw'],
  ['MP_REACH_NLRI too short (7.11)', `80 0e 02 0002 ${MANDATORY}`, 'reset 3/5'],
  ['MP_REACH_NLRI with a next hop of 15 octets', `80 0e 14 0002 01 0f ${'00'.repeat(15)} 00 ${MANDATORY}`, 'reset 3/9'],
  [
    'MP_REACH_NLRI with a prefix of 129 bits',
    `80 0e 16 0002 01 10 ${'fd'.repeat(16)} 00 81 ${MANDATORY}`,
    'reset 3/10',
  ],
  ['MP_UNREACH_NLRI cut short (7.12)', `80 0f 04 0002 01 30 ${MANDATORY}`, 'reset 3/10'],
  ['MP_REACH_NLRI with wrong flags', `40 0e 05 0002 01 00 00 ${MANDATORY}`, 'reset 3/4'],
  ['MP_REACH_NLRI of a family nobody agreed on', `80 0e 08 0001 85 00 00 000102 ${MANDATORY}`, 'accepted'],
  ['MP_REACH_NLRI twice (3 g)', `80 0e 05 0001 85 00 00 80 0e 05 0001 85 00 00 ${MANDATORY}`, 'reset 3/1'],
  ['ORIGIN twice (3 g)', `${MANDATORY} 40 01 01 02`, 'attribute-discard'],
  ['ORIGIN flagged optional (3 c)', `c0 01 01 00 ${AS_PATH_65001} ${NEXT_HOP}`, 'treat-as-withdraw'],
  ['COMMUNITIES flagged well-known', `${MANDATORY} 40 08 04 fde9004d`, 'treat-as-withdraw'],
  ['attribute that overruns the list (4)', `${MANDATORY} 80 04 40 00000007`, 'treat-as-withdraw'],
  ['list that ends in a length', `${MANDATORY} 90 04 00`, 'treat-as-withdraw'],
  ['one octet left over', `${MANDATORY} 80`, 'treat-as-withdraw'],
  ['unknown well-known attribute', `${MANDATORY} 40 63 00`, 'reset 3/2'],
  ['unknown optional attribute', `${MANDATORY} 80 63 01 00`, 'accepted'],
  ['AS4_PATH between four-octet speakers (RFC 6793 4.1)', `${MANDATORY} c0 11 03 020100`, 'accepted'],
]

test.for(rows)('%s', ([, attributes, expected, options]) => {
  expect(outcome(attributes, options)).toBe(expected)
})

test('a broken attribute without any NLRI resets the session (RFC 7606 5.2)', () => {
  expect(outcome(`40 01 01 03`, { nlri: '' })).toBe('reset 3/6')
  expect(outcome(`40 06 01 00`, { nlri: '' })).toBe('attribute-discard')
})

test('lengths that contradict the message reset the session (RFC 7606 4)', () => {
  const octets = update({ attributes: MANDATORY, nlri: NLRI_10 })
  for (const at of [19, 21]) {
    const lying = octets.slice()
    lying[at] = 0xff
    expect(() => decodeMessage(lying, { fourOctetAs: true, internal: true })).toThrow(
      expect.objectContaining({ notification: expect.objectContaining({ code: 3, subcode: 1 }) }),
    )
  }
})

test('NLRI that cannot be read resets the session (RFC 7606 5.3)', () => {
  expect(outcome(MANDATORY, { nlri: '21 0a00000000' })).toBe('reset 3/10')
  expect(outcome(MANDATORY, { nlri: '18 0a00' })).toBe('reset 3/10')
})

test.for([
  ['::', '00'.repeat(16)],
  ['ff02::1', `ff02${'00'.repeat(13)}01`],
  ['0.0.0.0', '00000000'],
  ['224.0.0.5', 'e0000005'],
  [':: beside ff02::1', `${'00'.repeat(16)}ff02${'00'.repeat(13)}01`],
])('MP_REACH_NLRI with the next hop %s: no host, so its prefixes are withdrawn (7.3)', ([, hop = '']) => {
  const family = hop.length === 8 ? { afi: '0001', nlri: '18 0a0100' } : { afi: '0002', nlri: '20 20010db8' }
  const value = `${family.afi} 01 ${(hop.length / 2).toString(16).padStart(2, '0')} ${hop} 00 ${family.nlri}`
  const length = (value.replaceAll(' ', '').length / 2).toString(16).padStart(2, '0')
  const session = { fourOctetAs: true, internal: false }
  const decoded = decodeMessage(
    update({ attributes: `80 0e ${length} ${value} ${ORIGIN_IGP} ${AS_PATH_65001}` }),
    session,
  )
  if (decoded.type !== 'update') throw new Error('no UPDATE')
  const { announced, withdrawn } = resolveUpdate(decoded, session, [4, 6], NO_CACHE)
  expect(announced).toEqual([])
  expect(withdrawn).toHaveLength(1)
})
