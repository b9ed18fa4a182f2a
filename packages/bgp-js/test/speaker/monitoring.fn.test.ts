import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Clock, type MrtRecord, readMrt } from '../../src/index.ts'
import { systemClock } from '../../src/speaker/ports.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import { prefixText } from '../../src/wire/prefix-key.ts'
import { resolveUpdate } from '../../src/wire/resolve-update.ts'
import { eventually } from '../interop/eventually.ts'
import { NO_CACHE } from '../wire/no-cache.ts'
import { established, freshAddress, peer, Speakers } from './loopback.ts'

const WIRE = { fourOctetAs: true, internal: true }
const HEAD = 6
const PEER_HEADER = 42
const POST_POLICY = 0x40

/** A monitoring station that notes, in words, what it is told (RFC 7854 §4). */
class Station implements AsyncDisposable {
  readonly told: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(port = 0): Promise<Station> {
    const server = createServer()
    const station = new Station(server)
    server.on('connection', (socket) => {
      let octets = Buffer.alloc(0)
      station.#sockets.add(socket)
      socket.on('data', (chunk) => {
        octets = Buffer.concat([octets, chunk])
        while (octets.length >= HEAD && octets.length >= octets.readUInt32BE(1)) {
          const length = octets.readUInt32BE(1)
          station.#note(octets.subarray(0, length))
          octets = octets.subarray(length)
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return station
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #note(message: Buffer): void {
    const type = message[5] as number
    if (type === 3) this.told.push('up')
    else if (type === 2) this.told.push('down')
    else if (type === 0) this.#noteRoutes(message)
  }

  #noteRoutes(message: Buffer): void {
    const side = ((message[HEAD + 1] as number) & POST_POLICY) === 0 ? 'pre' : 'post'
    const decoded = decodeMessage(message.subarray(HEAD + PEER_HEADER), WIRE)
    if (decoded.type !== 'update') throw new Error('no UPDATE')
    const update = resolveUpdate(decoded, WIRE, [4, 6], NO_CACHE)
    for (const { nlri } of update.withdrawn) for (const key of nlri.keys) this.told.push(`${side} -${prefixText(key)}`)
    for (const { nlri, attributes } of update.announced) {
      for (const key of nlri.keys) this.told.push(`${side} +${prefixText(key)} ${attributes.localPref ?? ''}`.trim())
    }
  }
}

const policy = {
  rules: [
    { match: { cidr: '10.2.0.0/16' }, then: 'reject' as const },
    { actions: [{ setLocalPref: 300 }], then: 'accept' as const },
  ],
}

test('a station is told of peers, of routes before and after policy, of changes, and of the end (RFC 7854)', async () => {
  await using speakers = new Speakers()
  await using station = await Station.start()
  const [a, b] = [freshAddress(), freshAddress()]
  const bmp = [{ address: '127.0.0.1', port: station.port, policy: 'both' as const }]
  const watched = await speakers.start(a, 65001, { bmp, neighbors: [peer(b, 65002, { import: policy })] })
  const other = await speakers.start(b, 65002, { networks: ['10.1.0.0/16'], neighbors: [peer(a, 65001)] })
  await established(watched, b)
  await eventually('the first routes', async () => station.told.includes('post +10.1.0.0/16 300'))
  expect(station.told[0]).toBe('up')
  expect(station.told).toContain('pre +10.1.0.0/16')
  other.originate('10.2.0.0/16')
  await eventually('a refused route', async () => station.told.includes('post -10.2.0.0/16'))
  expect(station.told).toContain('pre +10.2.0.0/16')
  other.withdraw('10.1.0.0/16')
  await eventually('a withdrawal', async () => station.told.includes('post -10.1.0.0/16'))
  watched.removePeer(b)
  await eventually('the end', async () => station.told.at(-1) === 'down')
})

/** As the system's, but half a minute of waiting for a station that was not there is over when the test says so. */
function clockWithPatience(): { clock: Clock; timeUp: () => void } {
  const waiting: (() => void)[] = []
  const isPatience = (delayMs: number): boolean => delayMs >= 20_000 && delayMs <= 30_000
  const clock: Clock = {
    ...systemClock,
    setTimeout: (callback, delayMs) => {
      if (!isPatience(delayMs)) return systemClock.setTimeout(callback, delayMs)
      waiting.push(callback)
      return { cancel: () => undefined }
    },
  }
  return { clock, timeUp: () => waiting.splice(0).forEach((callback) => callback()) }
}

test('a station that comes late gets the tables that are there', async () => {
  await using speakers = new Speakers()
  const [a, b] = [freshAddress(), freshAddress()]
  const { port } = await unusedPort()
  const { clock, timeUp } = clockWithPatience()
  const bmp = [{ address: '127.0.0.1', port, policy: 'both' as const }]
  const neighbors = [peer(b, 65002, { import: policy })]
  const watched = await speakers.start(a, 65001, { bmp, neighbors }, { clock })
  await speakers.start(b, 65002, { networks: ['10.1.0.0/16', '10.2.0.0/16'], neighbors: [peer(a, 65001)] })
  await established(watched, b)
  await eventually('routes', async () => watched.peers()[0]?.prefixes.ipv4.received === 2)
  await using station = await Station.start(port)
  timeUp()
  await eventually('the tables', async () => station.told.includes('post +10.1.0.0/16 300'))
  expect(station.told.toSorted()).toEqual(['post +10.1.0.0/16 300', 'pre +10.1.0.0/16', 'pre +10.2.0.0/16', 'up'])
})

async function unusedPort(): Promise<{ port: number }> {
  await using station = await Station.start()
  return { port: station.port }
}

test('messages and tables in MRT files (RFC 6396)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'margay-mrt-'))
  try {
    const [a, b] = [freshAddress(), freshAddress()]
    const table = join(directory, 'table.mrt')
    {
      await using speakers = new Speakers()
      const neighbors = [peer(b, 65002)]
      const recording = await speakers.start(a, 65001, { mrtUpdates: { directory }, neighbors })
      await speakers.start(b, 65002, { networks: ['10.1.0.0/16', 'fd00:1::/48'], neighbors: [peer(a, 65001)] })
      await established(recording, b)
      await eventually('the routes', async () => {
        const { ipv4, ipv6 } = recording.peers()[0]?.prefixes ?? {}
        return ipv4?.received === 1 && ipv6?.received === 1
      })
      await recording.dumpTables(table)
    }
    const read = async (path: string): Promise<MrtRecord[]> => {
      const records: MrtRecord[] = []
      for await (const record of readMrt([await readFile(path)])) records.push(record)
      return records
    }
    expect(await read(table)).toMatchObject([
      { kind: 'peerIndexTable', peers: [{ address: b, asn: 65002 }] },
      { kind: 'rib', prefix: '10.1.0.0/16', entries: [{ peerIndex: 0 }] },
      { kind: 'rib', prefix: 'fd00:1::/48', entries: [{ peerIndex: 0 }] },
    ])
    const [updates] = (await readdir(directory)).filter((name) => name.startsWith('updates'))
    await eventually('the record', async () => (await read(join(directory, updates ?? ''))).some(isDown))
    const records = await read(join(directory, updates ?? ''))
    expect(records[0]).toMatchObject({ kind: 'stateChange', to: 'Established', peerAddress: b, peerAsn: 65002 })
    const messages = records.flatMap((record) => (record.kind === 'message' ? [record.message] : []))
    const types = messages.map((message) => decodeMessage(message, WIRE).type)
    expect(types).toContain('update')
  } finally {
    await rm(directory, { recursive: true })
  }
})

const isDown = (record: MrtRecord): boolean => record.kind === 'stateChange' && record.from === 'Established'
