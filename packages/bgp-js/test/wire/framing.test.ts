import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MessageFramer } from '../../src/wire/framing.ts'
import { MAX_EXTENDED_OCTETS } from '../../src/wire/header.ts'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { hex, message, toHex, update } from './hex.ts'

test('however the stream is cut, the same messages come out', () => {
  const messages = [encodeKeepalive(), update({ nlri: '00' }), message(3, '0602'), encodeKeepalive()]
  const stream = hex(messages.map(toHex).join(''))
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 12 }), (cuts) => {
      const framer = new MessageFramer()
      const seen: string[] = []
      const edges = [0, ...cuts.toSorted((a, b) => a - b), stream.length]
      for (let index = 1; index < edges.length; index++) {
        framer.push(stream.slice(edges[index - 1], edges[index]))
        for (let next = framer.next(); next !== undefined; next = framer.next()) seen.push(toHex(next))
      }
      expect(seen).toEqual(messages.map(toHex))
      expect(framer.pendingOctets).toBe(0)
    }),
  )
})

const MARKER = 'ff'.repeat(16)
test.for([
  ['a marker that is not all ones', `fe${'ff'.repeat(15)}001304`, '1/1', ''],
  ['plain text', toHex(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n')), '1/1', ''],
  ['length 18', `${MARKER}001204`, '1/2', '0012'],
  ['length 4097', `${MARKER}100102`, '1/2', '1001'],
  ['type 9', `${MARKER}001309`, '1/3', '09'],
  ['type 0', `${MARKER}001300`, '1/3', '00'],
  ['KEEPALIVE of 20 octets', `${MARKER}00140400`, '1/2', '0014'],
  ['OPEN of 28 octets', `${MARKER}001c01`, '1/2', '001c'],
  ['UPDATE of 22 octets', `${MARKER}001602`, '1/2', '0016'],
  ['NOTIFICATION of 20 octets', `${MARKER}001403`, '1/2', '0014'],
])('%s: %s', ([, octets, expected, data]) => {
  const framer = new MessageFramer()
  framer.push(hex(octets ?? ''))
  const [code, subcode] = (expected ?? '').split('/').map(Number)
  expect(() => framer.next()).toThrow(
    expect.objectContaining({
      code: 'BGP_BAD_MESSAGE',
      severity: 'session-reset',
      notification: data === '' ? { code, subcode } : { code, subcode, data: hex(data ?? '') },
    }),
  )
})

test('longer messages pass once RFC 8654 is agreed, but no longer OPEN', () => {
  const framer = new MessageFramer()
  framer.maxOctets = MAX_EXTENDED_OCTETS
  framer.push(message(2, `0000 0000 ${'00'.repeat(6000)}`))
  expect(framer.next()).toHaveLength(6023)
  framer.push(hex(`${MARKER}100101`))
  expect(() => framer.next()).toThrow(
    expect.objectContaining({ notification: expect.objectContaining({ subcode: 2 }) }),
  )
})
