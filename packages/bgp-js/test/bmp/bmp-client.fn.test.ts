import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { BmpClient, type BmpClientOptions, type BmpPeer, type BmpSnapshotPeer } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { update } from '../wire/hex.ts'

/** What a station heard: an independent reading of RFC 7854. */
interface Heard {
  readonly type: string
  readonly peer?: string
  readonly flags?: number
  readonly octets: Buffer
}

const TYPES = ['route', 'stats', 'down', 'up', 'init', 'term']

function parse(stream: Buffer): { heard: Heard[]; rest: Buffer } {
  const heard: Heard[] = []
  let at = 0
  while (stream.length - at >= 6 && stream.length - at >= stream.readUInt32BE(at + 1)) {
    expect(stream[at]).toBe(3)
    const end = at + stream.readUInt32BE(at + 1)
    const type = TYPES[stream[at + 5] ?? 99] ?? 'unknown'
    const body = stream.subarray(at + 6, end)
    if (type === 'init' || type === 'term') heard.push({ type, octets: body })
    else {
      const address = [...body.subarray(22, 26)].join('.')
      heard.push({ type, peer: address, flags: body[1] ?? 0, octets: body.subarray(42) })
    }
    at = end
  }
  return { heard, rest: stream.subarray(at) }
}

class Station implements AsyncDisposable {
  readonly server: Server = createServer((socket) => this.#take(socket))
  readonly heard: Heard[][] = []
  readonly sockets: Socket[] = []
  reads = true

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }

  /** What came over the latest connection, in words. */
  get words(): string[] {
    return (this.heard.at(-1) ?? []).map(({ type, peer }) => (peer === undefined ? type : `${type} ${peer}`))
  }

  #take(socket: Socket): void {
    const heard: Heard[] = []
    this.heard.push(heard)
    this.sockets.push(socket)
    socket.on('error', () => undefined)
    if (!this.reads) {
      socket.pause()
      return
    }
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      const parsed = parse(Buffer.concat([rest, chunk]))
      heard.push(...parsed.heard)
      rest = parsed.rest
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    if (this.server.listening) await once(this.server, 'close')
  }
}

const peerAt = (n: number): BmpPeer => ({ address: `192.0.2.${n}`, asn: 65000 + n, routerId: `10.0.0.${n}` })
const up = (n: number): BmpSnapshotPeer['up'] => ({
  peer: peerAt(n),
  local: { address: '192.0.2.100', port: 179 },
  remotePort: 40000,
  sentOpen: Uint8Array.of(1, 2),
  receivedOpen: Uint8Array.of(3),
  at: new Date(0),
})
const route = (n: number): Uint8Array => update({ nlri: `18 0a00${n.toString(16).padStart(2, '0')}` })
const snapshotPeer = (n: number, updates: Iterable<Uint8Array>): BmpSnapshotPeer => ({
  up: up(n),
  families: [4],
  pre: updates,
  post: [],
})

const QUICK = { firstMs: 20, lastMs: 100 }
const clientFor = (port: number, more: Partial<BmpClientOptions> = {}): BmpClient =>
  new BmpClient({
    host: '127.0.0.1',
    port,
    sysName: 'node-1',
    sysDescr: 'margay',
    snapshot: () => [],
    backoff: QUICK,
    ...more,
  })

test('Initiation, peers and tables, End-of-RIB, then what happens, then Termination', async () => {
  await using station = new Station()
  const client = clientFor(await station.listen(), { snapshot: () => [snapshotPeer(1, [route(1), route(2)])] })
  // Nobody is connected yet: the table tells it later.
  client.routes(peerAt(1), 'pre', route(9))
  client.start()
  await eventually('the dump is over', async () => client.status().state === 'live')
  client.peerUp(up(2))
  client.routes(peerAt(2), 'post', route(3))
  client.routes(peerAt(3), 'pre', route(4))
  client.stats({ peer: peerAt(2), at: new Date(), values: { adjRibInRoutes: 1 } })
  client.peerDown({ peer: peerAt(2), reason: { kind: 'remoteClosed' }, at: new Date() })
  client.routes(peerAt(2), 'pre', route(5))
  await client.stop('bye')
  await eventually('all of it is there', async () => station.words.includes('term'))
  const [one, two] = ['192.0.2.1', '192.0.2.2']
  const dump = ['init', `up ${one}`, `route ${one}`, `route ${one}`, `route ${one}`, `route ${one}`]
  expect(station.words).toEqual([...dump, `up ${two}`, `route ${two}`, `stats ${two}`, `down ${two}`, 'term'])
  const heard = station.heard[0] ?? []
  expect(heard.slice(2, 4).map(({ octets }) => octets.toString('hex'))).toEqual(
    [route(1), route(2)].map((octets) => Buffer.from(octets).toString('hex')),
  )
  // End-of-RIB of both tables.
  expect(heard.slice(4, 6).map(({ flags, octets }) => [flags, octets.length])).toEqual([
    [0, 23],
    [0x40, 23],
  ])
  expect(heard[7]?.flags).toBe(0x40)
})

test('a station that comes back, or comes late, is told everything again', async () => {
  const first = new Station()
  const port = await first.listen()
  const client = clientFor(port, { snapshot: () => [snapshotPeer(1, [route(1)])] })
  client.start()
  await eventually('live', async () => client.status().state === 'live')
  await first[Symbol.asyncDispose]()
  await eventually('the loss is seen', async () => client.status().state !== 'live')
  await using second = new Station()
  second.server.listen(port, '127.0.0.1')
  await once(second.server, 'listening')
  await eventually('told again', async () => second.words.length === 5)
  expect(second.words.slice(0, 3)).toEqual(['init', 'up 192.0.2.1', 'route 192.0.2.1'])
  await client.stop()
})

test('a station that does not read is dropped, and costs a bounded amount', async () => {
  await using station = new Station()
  station.reads = false
  const limit = 1024 * 1024
  const client = clientFor(await station.listen(), {
    snapshot: () => [snapshotPeer(1, [])],
    maxBufferedOctets: limit,
  })
  client.start()
  await eventually('reached', async () => client.status().state === 'live')
  let most = 0
  for (let count = 0; count < 4_000_000 && client.status().dropped === 0; count++) {
    client.routes(peerAt(1), 'pre', route(count % 256))
    most = Math.max(most, client.status().bufferedOctets)
    if (count % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(client.status().dropped).toBe(1)
  expect(most).toBeLessThan(limit + 1000)
  await eventually('it tries again', async () => client.status().connects === 2)
  await client.stop()
})

test('a dump waits for the station, and gives up with it', async () => {
  await using station = new Station()
  station.reads = false
  let asked = 0
  const endless = function* (): Generator<Uint8Array> {
    for (;;) {
      asked++
      yield route(1)
    }
  }
  const client = clientFor(await station.listen(), { snapshot: () => [snapshotPeer(1, endless())] })
  client.start()
  let before = -1
  await eventually('it waits', async () => {
    const waits = asked > 0 && asked === before
    before = asked
    return waits
  })
  expect(client.status()).toMatchObject({ state: 'dumping', dropped: 0 })
  expect(client.status().bufferedOctets).toBeLessThan(300 * 1024)
  await client.stop()
  expect(client.status().state).toBe('stopped')
})

test('a peer that goes down in the middle of the dump is not told of any further', async () => {
  await using station = new Station()
  const holder: { client?: BmpClient } = {}
  const updates = function* (): Generator<Uint8Array> {
    yield route(1)
    holder.client?.peerDown({ peer: peerAt(1), reason: { kind: 'localEvent', event: 0 }, at: new Date() })
    yield route(2)
  }
  const client = clientFor(await station.listen(), {
    snapshot: () => [snapshotPeer(1, updates()), snapshotPeer(2, [])],
  })
  holder.client = client
  client.start()
  await eventually('live', async () => client.status().state === 'live')
  await client.stop()
  await eventually('all of it is there', async () => station.words.includes('term'))
  const two = ['up 192.0.2.2', 'route 192.0.2.2', 'route 192.0.2.2']
  expect(station.words).toEqual(['init', 'up 192.0.2.1', 'route 192.0.2.1', 'down 192.0.2.1', ...two, 'term'])
})
