import { Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import { RtrError } from '../../src/rpki/rtr-error.ts'
import { type RtrEffect, RtrExchange } from '../../src/rpki/rtr-exchange.ts'
import type { RtrPdu, Vrp } from '../../src/rpki/rtr-pdu.ts'

const TIMERS = { refresh: 3600, retry: 600, expire: 7200 }
const A: Vrp = { prefix: Prefix.parse('10.0.0.0/8'), maxLength: 8, asn: 1 }
const B: Vrp = { ...A, asn: 2 }

const up = (vrp: Vrp): RtrPdu => ({ type: 'prefix', announce: true, vrp })
const down = (vrp: Vrp): RtrPdu => ({ type: 'prefix', announce: false, vrp })
const begin = (session = 7): RtrPdu => ({ type: 'cacheResponse', session })
const end = (serial: number, session = 7): RtrPdu => ({ type: 'endOfData', session, serial, timers: TIMERS })
const notify = (serial: number): RtrPdu => ({ type: 'serialNotify', session: 7, serial })
const RESET: RtrEffect = { do: 'send', pdu: { type: 'resetQuery' } }
const serial = (number: number): RtrEffect => ({ do: 'send', pdu: { type: 'serialQuery', session: 7, serial: number } })

function feed(exchange: RtrExchange, ...pdus: readonly RtrPdu[]): RtrEffect[] {
  return pdus.flatMap((pdu) => exchange.receive({ version: exchange.version, pdu }))
}

function synced(...vrps: readonly Vrp[]): RtrExchange {
  const exchange = new RtrExchange()
  expect(exchange.connected()).toEqual([RESET])
  feed(exchange, begin(), ...vrps.map(up), end(1))
  return exchange
}

test('a first answer is the table; a refresh brings the difference', () => {
  const exchange = new RtrExchange()
  exchange.connected()
  expect(feed(exchange, begin(), up(A), end(1))).toEqual([
    { do: 'synced', changes: { added: [A], removed: [] }, timers: TIMERS },
  ])
  expect(exchange.refresh()).toEqual([serial(1)])
  expect(exchange.refresh()).toEqual([])
  expect(feed(exchange, begin(), up(B), down(A), end(2))).toEqual([
    { do: 'synced', changes: { added: [B], removed: [A] }, timers: TIMERS },
  ])
  expect([...exchange.vrps()]).toEqual([B])
})

test('what is announced and withdrawn in one answer is no change', () => {
  const exchange = synced(A)
  exchange.refresh()
  const [effect] = feed(exchange, begin(), down(A), up(A), up(B), down(B), end(2))
  expect(effect).toMatchObject({ changes: { added: [], removed: [] } })
})

test('a notification asks, unless it is old news or an answer is on its way', () => {
  const exchange = synced(A)
  expect(feed(exchange, notify(1))).toEqual([])
  expect(feed(exchange, notify(2))).toEqual([serial(1)])
  expect(feed(exchange, notify(3))).toEqual([])
})

test('a connection that comes back asks for the difference; Cache Reset for all of it, data stay meanwhile', () => {
  const exchange = synced(A)
  expect(exchange.connected()).toEqual([serial(1)])
  expect(feed(exchange, { type: 'cacheReset' })).toEqual([RESET])
  expect(exchange.size).toBe(1)
  expect(feed(exchange, begin(9), up(B), end(5, 9))).toMatchObject([{ changes: { added: [B], removed: [A] } }])
})

test('another session begins anew', () => {
  const exchange = synced(A)
  exchange.connected()
  expect(feed(exchange, begin(8))).toMatchObject([{ do: 'reconnect', atOnce: true }])
  expect(exchange.connected()).toEqual([RESET])
})

test('an answer that is cut off changes nothing', () => {
  const exchange = synced(A)
  exchange.refresh()
  feed(exchange, begin(), down(A), up(B))
  expect(exchange.connected()).toEqual([serial(1)])
  expect([...exchange.vrps()]).toEqual([A])
})

test.for<[string, number, RtrPdu[]]>([
  ['twice the same', 7, [begin(), up(B), up(B)]],
  ['what is there', 7, [begin(), up(A)]],
  ['withdrawal of what is not there', 6, [begin(), down(B)]],
  ['prefix before Cache Response', 0, [up(B)]],
  ['End of Data before Cache Response', 0, [end(2)]],
  ['End of Data of another session', 0, [begin(), end(2, 8)]],
  ['two Cache Responses', 0, [begin(), begin()]],
  ['a query', 0, [{ type: 'resetQuery' }]],
])('%s: error %i', ([, errorCode, pdus]) => {
  const exchange = synced(A)
  exchange.refresh()
  expect(() => feed(exchange, ...pdus)).toThrow(RtrError)
  const again = synced(A)
  again.refresh()
  try {
    feed(again, ...pdus)
  } catch (error) {
    expect(error).toMatchObject({ errorCode })
  }
})

test('version 0: an Error Report or an answer in it takes us down, a change later is an error', () => {
  const refused = new RtrExchange()
  refused.connected()
  const report: RtrPdu = { type: 'errorReport', code: 4, pdu: new Uint8Array(0), text: 'only 0' }
  expect(refused.receive({ version: 0, pdu: report })).toMatchObject([{ do: 'reconnect', atOnce: true }])
  expect(refused.version).toBe(0)
  expect(refused.receive({ version: 0, pdu: report })).toMatchObject([{ do: 'reconnect', atOnce: false }])

  const answered = new RtrExchange()
  answered.connected()
  answered.receive({ version: 0, pdu: notify(9) })
  expect(answered.version).toBe(1)
  answered.receive({ version: 0, pdu: begin() })
  expect(answered.version).toBe(0)
  expect(() => answered.receive({ version: 1, pdu: up(A) })).toThrow(RtrError)
  expect(answered.receive({ version: 0, pdu: { type: 'endOfData', session: 7, serial: 1 } })).toMatchObject([
    { timers: { refresh: 3600, retry: 600, expire: 7200 } },
  ])
})

test('timers outside the limits of RFC 8210 §6 are taken to the nearest', () => {
  const exchange = new RtrExchange()
  exchange.connected()
  const timers = { refresh: 0, retry: 99_999, expire: 1 }
  expect(feed(exchange, begin(), { ...end(1), timers } as RtrPdu)).toMatchObject([
    { timers: { refresh: 1, retry: 7200, expire: 600 } },
  ])
})

test('other errors wait; expired data go, and all is asked for again', () => {
  const exchange = synced(A)
  const report: RtrPdu = { type: 'errorReport', code: 2, pdu: new Uint8Array(0), text: '' }
  expect(feed(exchange, report)).toMatchObject([{ do: 'reconnect', atOnce: false }])
  expect(exchange.expire()).toEqual({ added: [], removed: [A] })
  expect(exchange.connected()).toEqual([RESET])
})
