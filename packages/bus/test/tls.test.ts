import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Bus } from '../src/bus.ts'
import { connectTls, TlsBusServer, type TlsIdentity } from '../src/tls.ts'

interface Topics {
  tables: { pods: { n: number } }
  events: Record<string, never>
}

let directory: string
let ours: TlsIdentity
let strangers: TlsIdentity

function authority(name: string): TlsIdentity {
  const at = (file: string): string => join(directory, `${name}-${file}`)
  const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: 'pipe' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.crt'),
    '-subj',
    `/CN=${name}`,
  )
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    at('key'),
    '-out',
    at('csr'),
    '-subj',
    '/CN=hub',
    '-addext',
    'subjectAltName=DNS:hub',
  )
  openssl(
    'x509',
    '-req',
    '-in',
    at('csr'),
    '-CA',
    at('ca.crt'),
    '-CAkey',
    at('ca.key'),
    '-days',
    '2',
    '-copy_extensions',
    'copy',
    '-out',
    at('crt'),
  )
  return {
    key: readFileSync(at('key'), 'utf8'),
    cert: readFileSync(at('crt'), 'utf8'),
    ca: readFileSync(at('ca.crt'), 'utf8'),
  }
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'margay-bus-'))
  ours = authority('ours')
  strangers = authority('strangers')
})
afterAll(() => rmSync(directory, { recursive: true }))

test('a table crosses mutual TLS, also after the server came back', async () => {
  const source = new Bus<Topics>()
  source.table('pods').set('a', { n: 1 })
  source.table('pods').markInSync()
  const mirror = new Bus<Topics>()
  const changes = mirror.table('pods').subscribe()
  const topics = { serveTables: ['pods'] as const }
  const first = new TlsBusServer(source, { ...ours, topics })
  const port = await first.listen(0, '127.0.0.1')
  const target = { ...ours, host: '127.0.0.1', port, serverName: 'hub', topics: { mirrorTables: ['pods'] as const } }
  const connection = await connectTls(mirror, target)
  expect(await changes.next()).toMatchObject({ upserts: [['a', { n: 1 }]], inSync: true })
  await first.close()
  await connection.closed

  source.table('pods').set('b', { n: 2 })
  const second = new TlsBusServer(source, { ...ours, topics })
  await second.listen(port, '127.0.0.1')
  const again = await connectTls(mirror, target)
  expect(await changes.next()).toMatchObject({ upserts: [['b', { n: 2 }]], deletes: [] })
  again.close()
  await second.close()
})

test('a client or a server of another authority, or of another name, is refused, and others are served', async () => {
  const bus = new Bus<Topics>()
  bus.table('pods').markInSync()
  const refused = Promise.withResolvers<Error>()
  const server = new TlsBusServer(bus, { ...ours, topics: { serveTables: ['pods'] }, onRefused: refused.resolve })
  const port = await server.listen(0, '127.0.0.1')
  const target = { host: '127.0.0.1', port, serverName: 'hub', topics: { mirrorTables: ['pods'] as const } }
  await expect(connectTls(new Bus<Topics>(), { ...strangers, ...target })).rejects.toThrow()
  await expect(connectTls(new Bus<Topics>(), { ...ours, ...target, serverName: 'other' })).rejects.toThrow()
  // In TLS 1.3 a client learns of its refusal only after its own handshake is done.
  const stranger = await connectTls(new Bus<Topics>(), { ...strangers, ca: ours.ca, ...target })
  await stranger.closed
  expect(await refused.promise).toBeInstanceOf(Error)

  const staller = connect({ host: '127.0.0.1', port })
  await once(staller, 'connect')
  const mirror = new Bus<Topics>()
  const connection = await connectTls(mirror, { ...ours, ...target })
  expect(await mirror.table('pods').subscribe().next()).toMatchObject({ inSync: true })
  expect(server.connections).toBe(1)
  connection.close()
  staller.destroy()
  await server.close()
})
