import { Duplex, type Readable } from 'node:stream'
import { MessageChannel } from 'node:worker_threads'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { Bus } from '../src/bus.ts'
import { Connection } from '../src/connection.ts'
import { BusError } from '../src/errors.ts'
import { FrameDecoder } from '../src/frame-decoder.ts'
import { asFrame, type Link } from '../src/link.ts'
import { portLink } from '../src/port-link.ts'
import { streamLink } from '../src/stream-link.ts'

interface Topics {
  tables: { pods: { n: number } }
  events: { flows: string }
}

const open: { close(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** Two ends of one in-memory byte stream. */
function streamPair(): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const make = (other: () => Readable): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, done) => {
        other().push(chunk)
        done()
      },
      destroy: (error, done) => {
        other().push(null)
        done(error)
      },
    })
  ends.push(
    make(() => ends[1] as Duplex),
    make(() => ends[0] as Duplex),
  )
  return [ends[0] as Duplex, ends[1] as Duplex]
}

const transports: Record<string, () => [Link, Link]> = {
  port: () => {
    const { port1, port2 } = new MessageChannel()
    return [portLink(port1, 'client'), portLink(port2, 'server')]
  },
  stream: () => {
    const [a, b] = streamPair()
    return [streamLink(a, 'client'), streamLink(b, 'server')]
  },
}

/** Resolves when the mirror has caught up with `watermark`. */
async function reached(bus: Bus<Topics>, watermark: string): Promise<void> {
  for await (const batch of bus.table('pods').subscribe()) if (batch.watermark === watermark) return
}

for (const [name, pair] of Object.entries(transports)) {
  test(`${name}: a table is mirrored: snapshot, in sync, deltas, watermark`, async () => {
    const [serverBus, clientBus] = [new Bus<Topics>(), new Bus<Topics>()]
    const source = serverBus.table('pods')
    source.set('a', { n: 1 })
    source.markInSync()
    source.advance('1')
    const [left, right] = pair()
    open.push(new Connection(serverBus, left, { serveTables: ['pods'] }))
    open.push(new Connection(clientBus, right, { mirrorTables: ['pods'] }))
    await reached(clientBus, '1')
    expect(clientBus.table('pods').inSync).toBe(true)
    source.set('b', { n: 2 })
    source.delete('a')
    source.advance('2')
    await reached(clientBus, '2')
    expect([...clientBus.table('pods').entries()]).toEqual([['b', { n: 2 }]])
  })

  test(`${name}: a connection that dies is noticed at the other end`, async () => {
    const [left, right] = pair()
    const server = new Connection(new Bus<Topics>(), left, { serveTables: ['pods'] })
    const client = new Connection(new Bus<Topics>(), right, { mirrorTables: ['pods'] })
    client.close()
    expect(await server.closed).toBeUndefined()
  })

  test(`${name}: events pass, and a topic that is not served ends the connection`, async () => {
    const [serverBus, clientBus] = [new Bus<Topics>(), new Bus<Topics>()]
    const [left, right] = pair()
    open.push(new Connection(serverBus, left, { serveEvents: ['flows'] }))
    const client = new Connection(clientBus, right, { mirrorEvents: ['flows'], mirrorTables: ['pods'] })
    expect(await client.closed).toBeDefined()
  })
}

test('a second connection changes nothing that is right, removes what is gone, and never goes back in time', async () => {
  const clientBus = new Bus<Topics>()
  const mirror = clientBus.table('pods')
  mirror.set('kept', { n: 1 })
  mirror.set('gone', { n: 1 })
  mirror.markInSync()
  mirror.advance('10')
  const changes = mirror.subscribe()
  changes.take()
  const serverBus = new Bus<Topics>()
  const source = serverBus.table('pods')
  source.set('kept', { n: 1 })
  source.markInSync()
  source.advance('8')
  const { port1, port2 } = new MessageChannel()
  open.push(new Connection(serverBus, portLink(port1, 'client'), { serveTables: ['pods'] }))
  open.push(new Connection(clientBus, portLink(port2, 'server'), { mirrorTables: ['pods'] }))
  source.set('new', { n: 5 })
  source.advance('11')
  expect(await changes.next()).toEqual({
    upserts: [['new', { n: 5 }]],
    deletes: ['gone'],
    inSync: true,
    watermark: '11',
  })
})

test('a held mirror writes nothing before its release, and then what came meanwhile', async () => {
  const [serverBus, clientBus] = [new Bus<Topics>(), new Bus<Topics>()]
  const source = serverBus.table('pods')
  source.set('a', { n: 1 })
  source.markInSync()
  source.advance('5')
  const { port1, port2 } = new MessageChannel()
  open.push(new Connection(serverBus, portLink(port1, 'client'), { serveTables: ['pods'] }))
  const client = new Connection(clientBus, portLink(port2, 'server'), { mirrorTables: ['pods'], holdMirrors: true })
  open.push(client)
  await client.complete
  expect(clientBus.table('pods').size).toBe(0)
  clientBus.table('pods').set('stale', { n: 0 })
  client.release()
  await reached(clientBus, '5')
  expect([...clientBus.table('pods').entries()]).toEqual([['a', { n: 1 }]])
})

test('a reader at the far end that stops reading costs one batch in flight', () => {
  const bus = new Bus<Topics>()
  const source = bus.table('pods')
  const sent: unknown[] = []
  let frame: Parameters<Link['receive']>[0]['frame'] = () => undefined
  const silent: Link = {
    peer: 'silent',
    send: (each) => sent.push(each),
    receive: (handlers) => {
      frame = handlers.frame
    },
    close: () => undefined,
  }
  open.push(new Connection(bus, silent, { serveTables: ['pods'] }))
  frame({ t: 'sub', kind: 'table', topic: 'pods' })
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return (async () => {
    for (let round = 0; round < 1000; round++) {
      source.set(`pod-${round % 50}`, { n: round })
      await settle()
    }
    expect(sent).toHaveLength(1)
    frame({ t: 'ack', topic: 'pods' })
    await settle()
    expect(sent).toHaveLength(2)
    expect(sent[1]).toMatchObject({ t: 'batch', topic: 'pods' })
    expect((sent[1] as { upserts: unknown[] }).upserts).toHaveLength(50)
  })()
})

test('frames survive any cutting of the stream', () => {
  const frames = [{ t: 'ping' }, { t: 'ack', topic: 'pods' }, { t: 'refused', topic: 'x'.repeat(300) }]
  const wire = Buffer.concat(
    frames.map((frame) => {
      const body = Buffer.from(JSON.stringify(frame))
      const header = Buffer.alloc(4)
      header.writeUInt32BE(body.length)
      return Buffer.concat([header, body])
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (cuts) => {
      const decoder = new FrameDecoder()
      const seen: unknown[] = []
      for (let at = 0, index = 0; at < wire.length; index++) {
        const end = at + (cuts[index % cuts.length] ?? 1)
        seen.push(...decoder.push(wire.subarray(at, end)))
        at = end
      }
      expect(seen).toEqual(frames)
    }),
  )
})

test('any bytes are frames or a BusError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        for (const frame of new FrameDecoder().push(Buffer.from(bytes))) expect(asFrame(frame)).toBeDefined()
      } catch (error) {
        expect(error).toBeInstanceOf(BusError)
      }
    }),
    { numRuns: 2000 },
  )
  expect(asFrame({ t: 'batch', topic: 'x', upserts: [[1, 2]], deletes: [], inSync: true })).toBeUndefined()
})
