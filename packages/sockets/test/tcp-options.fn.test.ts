import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import { Address, Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import {
  applyPeerOptions,
  bindToDevice,
  isListening,
  openTcpSocket,
  SocketError,
  setMd5Key,
  setMinTtl,
  setTtl,
  socketFamily,
} from '../src/index.ts'

const fdOf = (owner: Server | Socket): number => (owner as unknown as { _handle: { fd: number } })._handle.fd

/** Segments dropped for one of these reasons since the namespace was made. */
function dropped(...names: string[]): number {
  const [heads = [], values = []] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
  return names.reduce((sum, name) => sum + Number(values[heads.indexOf(name)]), 0)
}
const md5Drops = (): number => dropped('TCPMD5NotFound', 'TCPMD5Unexpected', 'TCPMD5Failure')

async function until(condition: () => boolean): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- the kernel's counters tell nobody
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** A server and the client side of a connection to it, not connected yet. */
class Pair implements AsyncDisposable {
  readonly server: Server
  readonly client: Socket
  readonly #accepted = Promise.withResolvers<Socket>()
  readonly #host: string
  #isAccepted = false

  private constructor(server: Server, host: string) {
    this.server = server
    this.#host = host
    const fd = openTcpSocket(host.includes(':') ? 6 : 4)
    const options = { fd, readable: true, writable: true, manualStart: true }
    this.client = new Socket(options)
    server.on('connection', (socket) => {
      this.#isAccepted = true
      socket.on('error', () => undefined)
      this.#accepted.resolve(socket)
    })
  }

  static async make(listen: string, host: string): Promise<Pair> {
    const server = createServer()
    server.listen(0, listen)
    await once(server, 'listening')
    return new Pair(server, host)
  }

  get isAccepted(): boolean {
    return this.#isAccepted
  }

  connect(): void {
    this.client.on('error', () => undefined)
    this.client.connect({ host: this.#host, port: (this.server.address() as AddressInfo).port })
  }

  async connected(): Promise<Socket> {
    this.connect()
    await once(this.client, 'connect')
    return this.#accepted.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy()
    if (this.#isAccepted) (await this.#accepted.promise).destroy()
    this.server.close()
  }
}

async function delivers(from: Socket, to: Socket, text: string): Promise<void> {
  const received = once(to, 'data')
  from.write(text)
  expect(String((await received)[0])).toBe(text)
}

const ways = [
  { name: 'IPv4', listen: '127.0.0.1', host: '127.0.0.1', block: '127.0.0.0/8' },
  { name: 'IPv6', listen: '::1', host: '::1', block: '::/64' },
  { name: 'IPv4 at a dual-stack listener', listen: '::', host: '127.0.0.1', block: '127.0.0.0/8' },
]

test.for(ways)('MD5: the same key at both ends, $name', async ({ listen, host }) => {
  await using pair = await Pair.make(listen, host)
  setMd5Key(fdOf(pair.server), Address.parse(host), 'secret')
  setMd5Key(fdOf(pair.client), Address.parse(host), Buffer.from('secret'))
  const accepted = await pair.connected()
  await delivers(pair.client, accepted, 'hello')
  await delivers(accepted, pair.client, 'back')
})

test.for(ways)('MD5: another key, or none, never connects, $name', async ({ listen, host }) => {
  for (const key of ['other', undefined]) {
    await using pair = await Pair.make(listen, host)
    setMd5Key(fdOf(pair.server), Address.parse(host), 'secret')
    if (key !== undefined) setMd5Key(fdOf(pair.client), Address.parse(host), key)
    const before = md5Drops()
    pair.connect()
    await until(() => md5Drops() >= before + 2)
    expect(pair.isAccepted).toBe(false)
  }
})

test.for(ways)('MD5: a key for a prefix, taken away again, $name', async ({ listen, host, block }) => {
  await using pair = await Pair.make(listen, host)
  const prefix = Prefix.parse(block)
  setMd5Key(fdOf(pair.server), prefix, 'secret')
  setMd5Key(fdOf(pair.client), Address.parse(host), 'secret')
  await delivers(pair.client, await pair.connected(), 'hello')

  await using plain = await Pair.make(listen, host)
  setMd5Key(fdOf(plain.server), prefix, 'secret')
  setMd5Key(fdOf(plain.server), prefix, undefined)
  setMd5Key(fdOf(plain.server), prefix, undefined)
  await delivers(plain.client, await plain.connected(), 'hello')
})

test('MD5: what the port is told of a dynamic neighbour, and of one with a zone', async () => {
  const options = { password: 'secret', ttlSecurityHops: 1 }
  await using pair = await Pair.make('::', '127.0.0.1')
  applyPeerOptions(fdOf(pair.server), { peerAddress: '127.0.0.0/8', ...options })
  applyPeerOptions(fdOf(pair.client), { peerAddress: '127.0.0.1', ...options })
  await delivers(pair.client, await pair.connected(), 'hello')
  applyPeerOptions(fdOf(pair.server), { peerAddress: 'fe80::1%lo', ...options })
})

test.for(ways)('MD5: a key changed at both ends keeps the connection, $name', async ({ listen, host }) => {
  await using pair = await Pair.make(listen, host)
  const peer = Address.parse(host)
  setMd5Key(fdOf(pair.server), peer, 'old')
  setMd5Key(fdOf(pair.client), peer, 'old')
  const accepted = await pair.connected()
  await delivers(pair.client, accepted, 'with the old key')

  const before = md5Drops()
  setMd5Key(fdOf(pair.client), peer, 'new')
  const received = once(accepted, 'data')
  pair.client.write('sent while the keys differ')
  await until(() => md5Drops() > before)
  expect(accepted.bytesRead).toBe('with the old key'.length)
  setMd5Key(fdOf(accepted), peer, 'new')
  expect(String((await received)[0])).toBe('sent while the keys differ')
  await delivers(accepted, pair.client, 'with the new key')
})

test.for(ways)('GTSM: only what comes with TTL 255 is taken, $name', async ({ listen, host }) => {
  const family = Address.parse(host).family
  const options = { peerAddress: host, password: undefined, ttlSecurityHops: 1 }
  await using pair = await Pair.make(listen, host)
  applyPeerOptions(fdOf(pair.server), options)
  applyPeerOptions(fdOf(pair.client), options)
  const accepted = await pair.connected()
  applyPeerOptions(fdOf(accepted), options)
  await delivers(pair.client, accepted, 'near')

  const before = dropped('TCPMinTTLDrop')
  setTtl(fdOf(pair.client), family, 254)
  const received = once(accepted, 'data')
  pair.client.write('far')
  await until(() => dropped('TCPMinTTLDrop') > before)
  expect(accepted.bytesRead).toBe('near'.length)
  setMinTtl(fdOf(accepted), family, 254)
  expect(String((await received)[0])).toBe('far')

  // Without hops the live connection takes everything again.
  setTtl(fdOf(pair.client), family, 60)
  applyPeerOptions(fdOf(accepted), { ...options, ttlSecurityHops: undefined })
  await delivers(pair.client, accepted, 'from anywhere')
})

test('errors name the option and errno, and never the key', async () => {
  await using pair = await Pair.make('127.0.0.1', '127.0.0.1')
  const fd = fdOf(pair.server)
  const peer = Address.parse('127.0.0.1')
  const thrown = (body: () => void): SocketError => {
    try {
      body()
    } catch (error) {
      if (error instanceof SocketError) return error
    }
    throw new Error('no SocketError')
  }
  expect(thrown(() => setMd5Key(fd, peer, 's'.repeat(81)))).toMatchObject({
    code: 'SOCKET_BAD_INPUT',
    option: 'TCP_MD5SIG',
    message: 'TCP_MD5SIG: a key has 1 to 80 octets, this one 81',
  })
  expect(thrown(() => setMd5Key(fd, peer, ''))).toMatchObject({ code: 'SOCKET_BAD_INPUT' })
  expect(thrown(() => setMd5Key(fd, Address.parse('::1'), 'hidden'))).toMatchObject({
    code: 'SOCKET_EINVAL',
    errno: 22,
    message: 'TCP_MD5SIG: EINVAL (peer ::1)',
  })
  expect(thrown(() => setTtl(-1, 4, 255))).toMatchObject({ code: 'SOCKET_EBADF', option: 'IP_TTL' })
  expect(thrown(() => setMinTtl(fd, 4, 256))).toMatchObject({ code: 'SOCKET_EINVAL', option: 'IP_MINTTL' })
  expect(thrown(() => bindToDevice(fd, 'no-such-device'))).toMatchObject({ code: 'SOCKET_ENODEV' })
  expect(thrown(() => bindToDevice(fd, 'far-too-long-a-name'))).toMatchObject({ code: 'SOCKET_BAD_INPUT' })
})

test('a socket is tied to an interface and untied; sockets say what they are', async () => {
  await using pair = await Pair.make('127.0.0.1', '127.0.0.1')
  bindToDevice(fdOf(pair.client), 'lo')
  bindToDevice(fdOf(pair.client), undefined)
  bindToDevice(fdOf(pair.client), 'lo')
  await delivers(pair.client, await pair.connected(), 'over lo')
  expect([isListening(fdOf(pair.server)), isListening(fdOf(pair.client))]).toEqual([true, false])
  await using six = await Pair.make('::', '127.0.0.1')
  expect([socketFamily(fdOf(pair.server)), socketFamily(fdOf(six.server))]).toEqual([4, 6])
  // An IPv6 peer can't come to an IPv4 listener: there is nothing to set, and that is no error.
  applyPeerOptions(fdOf(pair.server), { peerAddress: '::1', password: 'key', ttlSecurityHops: 1 })
})
