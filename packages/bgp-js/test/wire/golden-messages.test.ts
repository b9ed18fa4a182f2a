import { Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import { decodeMessage } from '../../src/wire/message.ts'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { encodeNotification, shutdownData } from '../../src/wire/messages/notification.ts'
import { encodeOpen } from '../../src/wire/messages/open.ts'
import { encodeRouteRefresh } from '../../src/wire/messages/route-refresh.ts'
import { encodeAnnouncements, encodeEndOfRib, encodeWithdrawals } from '../../src/wire/messages/update.ts'
import { keyOfPrefix, prefixText } from '../../src/wire/prefix-key.ts'
import { resolveUpdate } from '../../src/wire/resolve-update.ts'
import { hex, message, NLRI_10, toHex, update } from './hex.ts'
import { NO_CACHE } from './no-cache.ts'

const session = { fourOctetAs: true, internal: true }
const key = (text: string) => keyOfPrefix(Prefix.parse(text))

const OPEN = message(
  1,
  `04            # version
   5ba0          # AS_TRANS: the AS number has four octets
   005a          # hold time 90
   c0000202      # identifier 192.0.2.2
   24            # optional parameters: 36 octets
   02 22         # capabilities: 34 octets
   01 04 0001 00 01        # multiprotocol IPv4 unicast
   01 04 0002 00 01        # multiprotocol IPv6 unicast
   02 00                   # route refresh
   06 00                   # extended messages
   40 0a c078              # graceful restart: R and N bits, 120 s
      0001 01 80           #   IPv4 unicast, forwarding preserved
      0002 01 00           #   IPv6 unicast
   41 04 fa56ea02          # AS 4200000002
  `,
)

test('OPEN with every capability of ours', () => {
  const capabilities = [
    { name: 'multiprotocol', family: 4 },
    { name: 'multiprotocol', family: 6 },
    { name: 'routeRefresh' },
    { name: 'extendedMessages' },
    {
      name: 'gracefulRestart',
      restarting: true,
      notification: true,
      restartTimeSeconds: 120,
      families: [
        { family: 4, forwardingPreserved: true },
        { family: 6, forwardingPreserved: false },
      ],
    },
    { name: 'fourOctetAs', asn: 4_200_000_002 },
  ] as const
  expect(decodeMessage(OPEN, session)).toEqual({
    type: 'open',
    asn: 23456,
    holdTimeSeconds: 90,
    routerId: '192.0.2.2',
    capabilities,
  })
  const encoded = encodeOpen({ asn: 4_200_000_002, holdTimeSeconds: 90, routerId: '192.0.2.2', capabilities })
  expect(toHex(encoded)).toBe(toHex(OPEN))
})

test('OPEN with extended optional parameters (RFC 9072)', () => {
  const extended = message(
    1,
    `04 fde9 005a c0000202
     ff ff 0009    # extended: 9 octets of parameters
     02 0006       # capabilities, two-octet length
     41 04 0000fde9`,
  )
  expect(decodeMessage(extended, session)).toMatchObject({ capabilities: [{ name: 'fourOctetAs', asn: 65001 }] })
})

test('OPEN whose capabilities do not fit one octet of length is sent extended', () => {
  const capabilities = Array.from({ length: 30 }, (_, index) => ({
    name: 'unknown' as const,
    code: 200 + (index % 50),
    value: '00112233445566778899',
  }))
  const encoded = encodeOpen({ asn: 65001, holdTimeSeconds: 90, routerId: '192.0.2.2', capabilities })
  expect(decodeMessage(encoded, session)).toMatchObject({ capabilities })
})

const UPDATE = update({
  withdrawn: '10 0a01   # 10.1.0.0/16',
  attributes: `
    40 01 01 00                      # ORIGIN IGP
    40 02 0e 02 03 0000fde9 fa56ea02 0000fdea # AS_PATH 65001 4200000002 65002
    40 03 04 0a090101                # NEXT_HOP 10.9.1.1
    80 04 04 00000007                # MULTI_EXIT_DISC 7
    40 05 04 00000064                # LOCAL_PREF 100
    40 06 00                         # ATOMIC_AGGREGATE
    c0 07 08 0000fde9 c0000201       # AGGREGATOR 65001 192.0.2.1
    c0 08 08 fde9004d ffffff01       # COMMUNITIES 65001:77 no-export
    80 09 04 c0000203                # ORIGINATOR_ID
    80 0a 08 c00002c8 c00002c9       # CLUSTER_LIST
    c0 10 08 0002fde900000063        # EXTENDED COMMUNITIES rt 65001:99
    c0 20 0c 0000fde9 00000007 00000008 # LARGE_COMMUNITY 65001:7:8
    e0 63 02 beef                    # unknown 99, transitive, partial`,
  nlri: `${NLRI_10} 00 20 0a000001   # 10.0.0.0/24, 0.0.0.0/0, 10.0.0.1/32`,
})

const ATTRIBUTES = {
  origin: 0,
  asPath: [{ type: 'sequence', asns: [65001, 4_200_000_002, 65002] }],
  nextHop: '10.9.1.1',
  med: 7,
  localPref: 100,
  atomicAggregate: true,
  aggregator: { asn: 65001, address: '192.0.2.1' },
  communities: [0xfde9004d, 0xffffff01],
  originatorId: '192.0.2.3',
  clusterList: ['192.0.2.200', '192.0.2.201'],
  extendedCommunities: ['0002fde900000063'],
  largeCommunities: [[65001, 7, 8]],
  opaque: [{ flags: 0xe0, code: 0x63, value: Uint8Array.of(0xbe, 0xef) }],
} as const

test('UPDATE with every attribute', () => {
  const decoded = decodeMessage(UPDATE, session)
  if (decoded.type !== 'update') throw new Error('no UPDATE')
  const { announced, withdrawn, problems } = resolveUpdate(decoded, session, [4, 6], NO_CACHE)
  expect(problems).toEqual([])
  expect(withdrawn.map((item) => item.nlri.keys.map(prefixText))).toEqual([['10.1.0.0/16']])
  expect(announced).toHaveLength(1)
  expect(announced[0]?.attributes).toEqual(ATTRIBUTES)
  expect(announced[0]?.nlri.keys.map(prefixText)).toEqual(['10.0.0.0/24', '0.0.0.0/0', '10.0.0.1/32'])
})

test('the same UPDATE encoded', () => {
  const keys = ['10.0.0.0/24', '0.0.0.0/0', '10.0.0.1/32'].map(key)
  const [encoded, ...more] = encodeAnnouncements({ family: 4, attributes: ATTRIBUTES, keys }, session, 4096) ?? []
  expect(more).toEqual([])
  const withoutWithdrawn = toHex(UPDATE).replace('0003100a01', '0000')
  expect(toHex(encoded ?? hex('')).slice(38)).toBe(withoutWithdrawn.slice(38))
})

const IPV6 = update({
  attributes: `
    90 0e 0036                       # MP_REACH_NLRI first (RFC 7606 section 5.1)
       0002 01                        #   IPv6 unicast
       20 fd090001000000000000000000000001 fe800000000000000000000000000001
       00
       30 fd5000000000                #   fd50::/48
       40 fd51000000000000            #   fd51::/64
       00                             #   ::/0
    40 01 01 00
    40 02 06 02 01 0000fde9
    40 05 04 00000064`,
})

test('UPDATE for IPv6 with a link-local next hop beside the global one', () => {
  const decoded = decodeMessage(IPV6, session)
  if (decoded.type !== 'update') throw new Error('no UPDATE')
  const { announced } = resolveUpdate(decoded, session, [4, 6], NO_CACHE)
  const attributes = {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65001] }],
    localPref: 100,
    nextHop: 'fd09:1::1',
    nextHopLinkLocal: 'fe80::1',
  } as const
  expect(announced).toMatchObject([{ family: 6, attributes }])
  const keys = announced[0]?.nlri.keys ?? []
  expect(keys).toEqual(['fd50::/48', 'fd51::/64', '::/0'].map(key))
  const [encoded] = encodeAnnouncements({ family: 6, attributes, keys }, session, 4096) ?? []
  expect(toHex(encoded ?? hex(''))).toBe(toHex(IPV6))
})

test('withdrawals, End-of-RIB, KEEPALIVE, NOTIFICATION, ROUTE-REFRESH', () => {
  const withdrawals = encodeWithdrawals(6, [key('fd50::/48')], 4096).map(toHex)
  expect(withdrawals).toEqual([toHex(update({ attributes: '90 0f 000a 0002 01 30 fd5000000000' }))])
  expect(encodeWithdrawals(4, [key('10.0.0.0/24')], 4096).map(toHex)).toEqual([toHex(update({ withdrawn: NLRI_10 }))])
  expect(toHex(encodeEndOfRib(4))).toBe(toHex(update({})))
  expect(toHex(encodeEndOfRib(6))).toBe(toHex(update({ attributes: '90 0f 0003 0002 01' })))
  expect(toHex(encodeKeepalive())).toBe(toHex(message(4, '')))
  const notification = encodeNotification({ code: 6, subcode: 2, data: shutdownData('bye') })
  expect(toHex(notification)).toBe(toHex(message(3, '06 02 03 627965')))
  expect(decodeMessage(notification, session)).toMatchObject({ type: 'notification', code: 6, subcode: 2 })
  expect(toHex(encodeRouteRefresh(6))).toBe(toHex(message(5, '0002 00 01')))
  expect(decodeMessage(encodeRouteRefresh(6), session)).toEqual({ type: 'routeRefresh', family: 6, subtype: 0 })
})

test.for([
  ['IPv4', update({}), 4],
  ['IPv6', update({ attributes: '80 0f 03 0002 01' }), 6],
] as const)('End-of-RIB of %s is recognised', ([, octets, family]) => {
  const decoded = decodeMessage(octets, session)
  if (decoded.type !== 'update') throw new Error('no UPDATE')
  expect(resolveUpdate(decoded, session, [4, 6], NO_CACHE)).toMatchObject({
    endOfRib: family,
    announced: [],
    withdrawn: [],
  })
})
