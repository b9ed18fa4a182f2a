import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { decodePdu, encodePdu, RtrFramer, type RtrPdu, type RtrVersion, type Vrp } from '../../src/rpki/rtr-pdu.ts'

const TIMERS = { refresh: 3600, retry: 600, expire: 7200 }

/** A cache on a real socket: keeps every version of its table, answers queries, and does as told otherwise. */
export class FakeCache implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Tables by serial number. */
  #tables: (readonly Vrp[])[]
  readonly queries: RtrPdu[] = []
  session = 7
  version: RtrVersion = 1
  /** Answers anything with this instead. */
  script: ((pdu: RtrPdu) => readonly RtrPdu[] | undefined) | undefined

  private constructor(vrps: readonly Vrp[]) {
    this.#tables = [vrps]
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(vrps: readonly Vrp[], port = 0): Promise<FakeCache> {
    const cache = new FakeCache(vrps)
    cache.#server.listen(port, '127.0.0.1')
    await once(cache.#server, 'listening')
    return cache
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The next version of the table, and a notification of it. */
  publish(vrps: readonly Vrp[]): void {
    this.#tables.push(vrps)
    this.tell({ type: 'serialNotify', session: this.session, serial: this.#tables.length - 1 })
  }

  tell(...pdus: readonly RtrPdu[]): void {
    for (const socket of this.#sockets) for (const pdu of pdus) socket.write(encodePdu(pdu, this.version))
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    const framer = new RtrFramer()
    this.#sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    socket.on('data', (chunk) => {
      for (const octets of framer.push(chunk)) {
        const { pdu, version } = decodePdu(octets)
        this.queries.push(pdu)
        for (const answer of this.#answer(pdu, version)) socket.write(encodePdu(answer, this.version))
      }
    })
  }

  #answer(pdu: RtrPdu, version: number): readonly RtrPdu[] {
    if (version > this.version) return [{ type: 'errorReport', code: 4, pdu: new Uint8Array(0), text: 'too new' }]
    const scripted = this.script?.(pdu)
    if (scripted !== undefined) return scripted
    if (pdu.type === 'resetQuery') return this.#table([], this.#tables.at(-1) ?? [])
    if (pdu.type !== 'serialQuery') return []
    const known = pdu.session === this.session ? this.#tables[pdu.serial] : undefined
    return known === undefined ? [{ type: 'cacheReset' }] : this.#table(known, this.#tables.at(-1) ?? [])
  }

  #table(from: readonly Vrp[], to: readonly Vrp[]): RtrPdu[] {
    const prefix =
      (announce: boolean) =>
      (vrp: Vrp): RtrPdu => ({ type: 'prefix', announce, vrp })
    const { session, version } = this
    return [
      { type: 'cacheResponse', session },
      ...from.filter((vrp) => !to.includes(vrp)).map(prefix(false)),
      ...to.filter((vrp) => !from.includes(vrp)).map(prefix(true)),
      { type: 'endOfData', session, serial: this.#tables.length - 1, ...(version === 1 ? { timers: TIMERS } : {}) },
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
