import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BgpMessageError } from '../../src/errors.ts'
import { AttributeStore } from '../../src/rib/attribute-store.ts'
import type { WireSession } from '../../src/wire/attribute-codec.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import { prefixText } from '../../src/wire/prefix-key.ts'
import { type AttributeCache, type RouteUpdate, resolveUpdate } from '../../src/wire/resolve-update.ts'
import { AS_PATH_65001, MANDATORY, NLRI_10, ORIGIN_IGP, toHex, update } from '../wire/hex.ts'
import { NO_CACHE } from '../wire/no-cache.ts'

const SESSIONS: readonly WireSession[] = [
  { fourOctetAs: true, internal: false },
  { fourOctetAs: true, internal: true },
  { fourOctetAs: false, internal: false },
  { fourOctetAs: false, internal: true },
  { fourOctetAs: true, internal: false, extendedNextHop: true },
]

function outcome<T>(
  octets: Uint8Array,
  session: WireSession,
  cache: AttributeCache<T>,
  read: (attributes: T) => PathAttributes,
): unknown {
  const texts = (update: RouteUpdate<T>['withdrawn']): string[] =>
    update.flatMap((item) => item.nlri.keys.map(prefixText))
  try {
    const decoded = decodeMessage(octets, session)
    if (decoded.type !== 'update') return decoded.type
    const resolved = resolveUpdate(decoded, session, [4, 6], cache)
    return {
      announced: resolved.announced.map((item) => [item.nlri.keys.map(prefixText), read(item.attributes)]),
      withdrawn: texts(resolved.withdrawn),
      endOfRib: resolved.endOfRib,
      problems: resolved.problems.map((problem) => problem.message),
    }
  } catch (error) {
    if (!(error instanceof BgpMessageError)) throw error
    return error.notification
  }
}

/** What one store answers to messages in turn, against decoding each by itself. */
function agrees(messages: readonly (readonly [Uint8Array, WireSession])[]): void {
  const store = new AttributeStore()
  for (const [octets, session] of messages) {
    expect(outcome(octets, session, store, (set) => set.attributes)).toEqual(
      outcome(octets, session, NO_CACHE, (attributes) => attributes),
    )
  }
}

const MP_HOP = '20010db8000000000000000000000001'
const reach = (hop: string, prefix: string): string => {
  const value = `0002 01 ${(hop.length / 2).toString(16)} ${hop} 00 ${prefix}`
  return `80 0e ${(value.replaceAll(' ', '').length / 2).toString(16).padStart(2, '0')} ${value}`
}
const text = (characters: string): string => toHex(Buffer.from(characters, 'latin1'))

/** Attributes that look, octet by octet, like the names under which multiprotocol routes may be remembered. */
const forged = (name: string): string => `${text(name)} ${ORIGIN_IGP} ${AS_PATH_65001}`

test('octets that look like the name of a multiprotocol route are not taken for it', () => {
  const mp = update({ attributes: `${reach(MP_HOP, '20 20010db8')} ${ORIGIN_IGP} ${AS_PATH_65001}` })
  const [session] = SESSIONS as [WireSession]
  const names = ['mp 2001:db8::1  ', '2001:db8::1  ']
  agrees([
    [mp, session],
    ...names.map((name) => [update({ attributes: forged(name), nlri: NLRI_10 }), session] as const),
  ])
})

const optional = fc.constantFrom(
  '',
  '80 04 04 00000007',
  '40 05 04 000000c8',
  'c0 08 04 fde9004d',
  'c0 08 03 fde900',
  '80 09 04 c0000201',
  'c0 23 04 0000fde9',
  'c0 11 06 02 01 0001fde9',
  'e0 63 02 0102',
  '80 63 00',
  '40 01 01 02',
)
const hops = fc.constantFrom(MP_HOP, `${MP_HOP}fe80${'00'.repeat(13)}01`, `${'00'.repeat(16)}fe80${'00'.repeat(13)}02`)
const paths = fc.constantFrom(AS_PATH_65001, '40 02 04 02 01 fde9', '40 02 00')
const attributeList = fc
  .tuple(paths, optional, optional)
  .map(([path, one, two]) => `${ORIGIN_IGP} ${path} 40 03 04 0a090101 ${one} ${two}`)
const updates = fc.oneof(
  attributeList.map((attributes) => update({ attributes, nlri: NLRI_10 })),
  fc.tuple(attributeList, hops).map(([list, hop]) => update({ attributes: `${reach(hop, '20 20010db8')} ${list}` })),
  fc
    .tuple(attributeList, hops)
    .map(([list, hop]) => update({ attributes: `${list} ${reach(hop, '20 20010db8')}`, nlri: NLRI_10 })),
  attributeList.map((list) => update({ attributes: `80 0f 08 0002 01 20 20010db8 ${list}`, nlri: NLRI_10 })),
  fc.constant(update({ attributes: MANDATORY, nlri: NLRI_10, withdrawn: NLRI_10 })),
)

test('what was remembered is what the octets mean, whoever sent them before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(updates, fc.constantFrom(...SESSIONS)), { minLength: 2, maxLength: 30 }), agrees),
    { numRuns: 500 },
  )
})
