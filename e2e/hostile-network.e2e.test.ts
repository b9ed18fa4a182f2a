/** Strangers and a mad peer on port 179, and clients of the HTTP API that send garbage or nothing. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GoodCluster } from './src/good-cluster.ts'
import { runIn } from './src/run-program.ts'

const PEER_AS = 64999

let cluster: GoodCluster

beforeAll(async () => {
  cluster = await GoodCluster.up('hostile-net')
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
})

interface Peer {
  readonly address: string
  readonly kind: string
  readonly state: string
  readonly lastError: unknown
}

async function peersOf(node: string): Promise<Peer[]> {
  const response = await fetch(`${cluster.lab.node(node).api}/api/v1/bgp/peers`)
  return ((await response.json()) as { peers: Peer[] }).peers
}

async function expectMesh(): Promise<void> {
  for (const { name } of cluster.lab.nodes) {
    const mesh = (await peersOf(name)).filter(({ kind }) => kind === 'NodeMesh')
    expect(mesh.map(({ state }) => state)).toEqual(Array.from({ length: 4 }, () => 'Established'))
  }
}

const marker = 'ff'.repeat(16)
const message = (type: string, body: string, length = 19 + body.length / 2): string =>
  marker + length.toString(16).padStart(4, '0') + type + body
/** Version 4, our AS, 90 s, identifier 172.30.0.201; no optional parameters. */
const OPEN = message('01', `04${PEER_AS.toString(16).padStart(4, '0')}005aac1e00c900`)
const KEEPALIVE = message('04', '')

/** What a peer may send, in hexadecimal digits. */
const GARBAGE: readonly (readonly [what: string, hex: string])[] = [
  ['text', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n').toString('hex')],
  ['zeros', '00'.repeat(4096)],
  ['a header and no more', marker],
  ['a message of no length', message('01', '', 0)],
  ['a message of 65,535 octets', message('02', '00'.repeat(64), 65535)],
  ['an unknown type', message('77', '')],
  ['an OPEN of version 3', message('01', OPEN.slice(38).replace(/^04/, '03'))],
  ['an OPEN of another AS', message('01', '040001005aac1e00c900')],
  ['an OPEN with parameters that lie about their length', message('01', `${OPEN.slice(38, -2)}ff02ff41`)],
  ['an OPEN of extended length, cut short (RFC 9072)', message('01', `${OPEN.slice(38, -2)}ffff`)],
  ['an UPDATE before any OPEN', message('02', '00000000')],
  ['an UPDATE that withdraws more than there is', OPEN + KEEPALIVE + message('02', 'ffff0000')],
  ['an UPDATE whose attributes are longer than it', OPEN + KEEPALIVE + message('02', '0000ffff40010100')],
  ['an UPDATE of a prefix without attributes', OPEN + KEEPALIVE + message('02', '00000000080a')],
  ['an UPDATE of a prefix of 255 bits', OPEN + KEEPALIVE + message('02', '0000000eff40010100')],
  ['a NOTIFICATION out of the blue', message('03', '0604')],
  ['a NOTIFICATION without a code', OPEN + message('03', '')],
  ['a ROUTE-REFRESH of no family', OPEN + KEEPALIVE + message('05', 'ffffffff')],
]

/** Sends octets from the external host to a node's port 179. @returns when the node has closed, or after two seconds */
async function sendToBgp(hex: string): Promise<void> {
  const { ip } = cluster.lab.node('node1')
  const script = `printf '%s' "$0" | sed 's/../\\\\x&/g' | xargs -0 printf '%b' | timeout 2 nc -w 2 ${ip} 179 >/dev/null; true`
  await runIn(cluster.lab.external('ext1').netns, ['busybox', 'sh', '-c', script, hex])
}

describe('BGP', () => {
  test('strangers get nothing and harm nothing', async () => {
    await Promise.all(GARBAGE.map(async ([, hex]) => sendToBgp(hex)))
    await expectMesh()
  })

  test.for(GARBAGE)('a configured peer that sends %s ends its own session only', async ([, hex]) => {
    const { ip } = cluster.lab.external('ext1')
    const peer = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPPeer',
      metadata: { name: 'mad' },
      spec: { peerIP: ip, asNumber: PEER_AS },
    }
    await cluster.lab.apply([peer])
    await cluster.lab.sync()
    await sendToBgp(hex)
    await expectMesh()
    const mad = (await peersOf('node1')).find(({ address }) => address === ip)
    expect(mad).toMatchObject({ kind: 'GlobalPeer', address: ip })
    expect(mad?.state).not.toBe('Established')
  })

  test('three hundred connections that say nothing', async () => {
    const { ip } = cluster.lab.node('node1')
    const script = `for n in $(seq 300); do (sleep 3 | nc ${ip} 179 >/dev/null 2>&1) & done; wait`
    const flood = runIn(cluster.lab.external('ext1').netns, ['busybox', 'sh', '-c', script])
    await delay(1_500)
    await expectMesh()
    await flood
  })

  test('the cluster goes on', async () => {
    await cluster.lab.kubectl(['delete', 'bgppeer', 'mad'])
    expect(await cluster.complaints()).toEqual([])
  })
})

/** Sends octets over TCP to node1's HTTP API. @returns what came back until the server closed, or fell silent */
async function sendToHttp(bytes: string | Buffer, waitMs = 1_000): Promise<string> {
  const { hostname, port } = new URL(cluster.lab.node('node1').api)
  const socket: Socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  // A server may close before it has read all.
  socket.on('error', () => socket.destroy())
  socket.setTimeout(waitMs, () => socket.destroy())
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(chunks).toString('utf8')
}

describe('HTTP', () => {
  test.for([
    ['/api/v1/sync', /resourceVersion/],
    ['/api/v1/sync?resourceVersion=now', /resourceVersion/],
    ['/api/v1/sync?resourceVersion=-1', /resourceVersion/],
    ['/api/v1/sync?resourceVersion=1&timeout=forever', /timeout/],
    ['/api/v1/sync?resourceVersion=1&timeout=99999999999', /timeout/],
    ['/api/v1/sync?resourceVersion=1&colour=red', /colour|additional/],
    ['/api/v1/bgp/routes?prefix=nowhere', /prefix/],
    [`/api/v1/bgp/routes?prefix=${'1'.repeat(100)}`, /prefix/],
    ['/api/v1/ipam/blocks?all=perhaps', /all/],
    ['/api/v1/explain', /from/],
    ['/api/v1/explain?from=a&to=b&port=0', /port/],
    ['/api/v1/explain?from=a&to=b&protocol=ICMP', /protocol/],
    ['/api/v1/explain?from=a&to=b&family=5', /family/],
  ] as const)('%s gets a 400 that names the field', async ([path, field]) => {
    const response = await fetch(cluster.lab.node('node1').api + path)
    expect(response.status).toBe(400)
    const body = (await response.json()) as { message: string }
    expect(body.message).toMatch(field)
  })

  test.for([
    ['GET', '/api/v2/anything', 404],
    ['GET', '/../../etc/passwd', 404],
    ['GET', '/docs/static/..%2f..%2f..%2fetc%2fpasswd', 404],
    ['GET', '/%00', 404],
    ['POST', '/api/v1/endpoints', 404],
    ['DELETE', '/api/v1/policies', 404],
    ['GET', '/api/v1/explain?from=no/where&to=1.2.3.4', 404],
    ['GET', '/api/v1/sync?resourceVersion=99999999999999999999&timeout=50', 504],
  ] as const)('%s %s is answered by a status', async ([method, path, status]) => {
    const response = await fetch(cluster.lab.node('node1').api + path, { method })
    await response.body?.cancel()
    expect(response.status).toBe(status)
  })

  test.for([
    [
      'octets that are no HTTP',
      Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 31) & 255)),
      /^HTTP\/1\.1 400/,
    ],
    ['headers of a mebioctet', `GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`, /^(HTTP\/1\.1 431|$)/],
    ['a path of a hundred thousand letters', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`, /^(HTTP\/1\.1 4|$)/],
    ['two lengths', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', /^HTTP\/1\.1 400/],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 4/,
    ],
    ['a method that is none', 'FLY / HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 400/],
    [
      'a body that is too large',
      `POST /api/v1/sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n`,
      /^HTTP\/1\.1 4/,
    ],
    ['an escape that is none', 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 4/],
  ] as const)('%s', async ([, bytes, answer]) => {
    expect(await sendToHttp(bytes)).toMatch(answer)
  })

  test('clients that are slow, or go before the answer, hold nobody up', async () => {
    const { hostname, port } = new URL(cluster.lab.node('node1').api)
    const slow = Array.from({ length: 300 }, (_, index) => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => socket.destroy())
      socket.write(
        index % 2 === 0 ? 'GET /he' : `GET /api/v1/sync?resourceVersion=${10 ** 15} HTTP/1.1\r\nHost: x\r\n\r\n`,
      )
      return socket
    })
    await delay(300)
    const begin = performance.now()
    expect((await fetch(`${cluster.lab.node('node1').api}/healthz`)).status).toBe(200)
    expect(performance.now() - begin).toBeLessThan(2_000)
    for (const socket of slow) socket.destroy()
  })

  test('the cluster goes on', async () => {
    expect(await cluster.complaints()).toEqual([])
  })
})
