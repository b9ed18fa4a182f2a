import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CodecHarness } from '../../fuzz/codec-harness.ts'
import { type BuiltSession, MessageBuilder } from '../../fuzz/message-builder.ts'
import { mutate } from '../../fuzz/mutate.ts'
import { Random } from '../../fuzz/random.ts'
import { Twin } from '../../fuzz/twin.ts'
import type { TwinOwnEnd } from '../../fuzz/twin-session.ts'

type Kind = 'external' | 'internal' | 'addPath' | 'extendedNextHop'

const OWN_ASN = 65_100
const ownEnd = (kind: Kind): TwinOwnEnd => ({
  asn: OWN_ASN,
  address: '7f000001',
  routerId: 'c0000201',
  peerAsn: kind === 'internal' ? OWN_ASN : 'any',
  receivesPaths: kind === 'addPath',
  extendedNextHop: kind === 'extendedNextHop',
})

/** Feeds both; after each message they hold the same and agree on the end. */
function agree(kind: Kind, messages: readonly Uint8Array[]): Twin {
  const twin = new Twin(ownEnd(kind))
  const codec = new CodecHarness(ownEnd(kind))
  for (const message of messages) {
    twin.feed(message)
    codec.feed(message)
    const ends = twin.ended
    if (ends === undefined ? codec.ended !== undefined : !ends.includes(codec.ended ?? '')) {
      throw new Error(`ended ${codec.ended}, should be ${ends?.join(' or ')}: ${Buffer.from(message).toString('hex')}`)
    }
    const hops = new Map([...twin.table].map(([key, route]) => [key, route.nextHop]))
    if (!sameMaps(codec.table, hops)) expect([codec.table, Buffer.from(message).toString('hex')]).toEqual([hops, ''])
    if (ends !== undefined) break
  }
  return twin
}

const sameMaps = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)

const KINDS = ['external', 'internal', 'addPath', 'extendedNextHop'] as const

function session(random: Random, kind: Kind, number: number): BuiltSession {
  const internal = kind === 'internal'
  return {
    asn: internal ? OWN_ASN : 65_001,
    ownAsn: OWN_ASN,
    fourOctet: !random.once(3),
    internal,
    addPath: kind === 'addPath' ? [1, 2] : [],
    families: [1, 2],
    extendedMessages: random.once(2),
    extendedNextHop: kind === 'extendedNextHop',
    number,
  }
}

test.for(['structure', 'mutation'] as const)('the codec and its twin agree on 200 sessions by %s', (mode) => {
  const random = new Random(42)
  let routes = 0
  // Refresh marks are for tables to obey, which the codec alone does not have.
  const isRefresh = (message: Uint8Array): boolean => message[18] === 5
  for (let number = 0; number < 200; number++) {
    const kind = random.pick(KINDS)
    const builder = new MessageBuilder(random, session(random, kind, number))
    const good = Array.from({ length: 20 }, () => builder.update()).filter(({ length }) => length <= 4096)
    const messages = [builder.open(), builder.keepalive()]
    for (let count = 0; count < 60; count++) {
      messages.push(mode === 'structure' ? builder.next() : random.once(5) ? mutate(random, good) : builder.update())
    }
    const twin = agree(
      kind,
      messages.filter((message) => !isRefresh(message)),
    )
    routes += twin.table.size
  }
  expect(routes).toBeGreaterThan(1000)
})

interface CorpusCase {
  readonly found: string
  readonly kind: Kind
  readonly messages: readonly string[]
  /** Keys of the twin's table at the end. */
  readonly holds: readonly string[]
  readonly ends: string | null
}

const CORPUS = new URL('../corpus/', import.meta.url)

test.for(readdirSync(CORPUS).filter((name) => name.endsWith('.json')))('%s, which once found something', (name) => {
  const found = JSON.parse(readFileSync(new URL(name, CORPUS), 'utf8')) as CorpusCase
  const twin = agree(
    found.kind,
    found.messages.map((message) => Buffer.from(message, 'hex')),
  )
  expect([...twin.table.keys()].toSorted()).toEqual(found.holds.toSorted())
  expect(twin.ended ?? null).toEqual(found.ends === null ? null : expect.arrayContaining([found.ends]))
})
