import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BmpClient, type BmpPeer } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { MANDATORY, message, update } from '../wire/hex.ts'

type Line = Readonly<Record<string, unknown>>

/** pmacct's BMP collector, which logs what it hears as a JSON line per event. */
class PmacctStation implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'mgybmp-'))
  readonly #stop: () => Promise<void>
  output = ''

  private constructor(port: number) {
    const config = join(this.#directory, 'pmbmpd.conf')
    const settings = ['ip: 127.0.0.1', `port: ${port}`, `msglog_file: ${this.#log}`, 'msglog_output: json']
    writeFileSync(config, `${settings.map((line) => `bmp_daemon_${line}`).join('\n')}\n`)
    const child = spawn('pmbmpd', ['-f', config], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
    }
    const exited = once(child, 'exit')
    this.#stop = async () => {
      child.kill('SIGKILL')
      await exited
    }
  }

  static async start(): Promise<{ station: PmacctStation; port: number }> {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    await once(probe, 'close')
    return { station: new PmacctStation(port), port }
  }

  get #log(): string {
    return join(this.#directory, 'log')
  }

  get lines(): Line[] {
    if (!existsSync(this.#log)) return []
    const whole = readFileSync(this.#log, 'utf8').split('\n').slice(0, -1)
    return whole.map((line) => JSON.parse(line) as Line)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** AS 4200000001 by its capability (65), both families. */
const open = (routerId: string): Uint8Array =>
  message(1, `04 5ba0 005a ${routerId} 16 02 14 01 04 0001 00 01 01 04 0002 00 01 02 00 41 04 fa56ea01`)
const peer: BmpPeer = { address: '192.0.2.1', asn: 4_200_000_001, routerId: '10.0.0.1' }
const at = new Date(1_700_000_000_250)
const REACH = '80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 30 fd0000000001'

test('pmacct reads Initiation, peers, routes of both families and policies, statistics and losses', async () => {
  const { station, port } = await PmacctStation.start()
  await using _station = station
  const up = {
    peer,
    local: { address: '192.0.2.2', port: 179 },
    remotePort: 40000,
    sentOpen: open('0a000002'),
    receivedOpen: open('0a000001'),
    at,
  }
  const client = new BmpClient({
    host: '127.0.0.1',
    port,
    sysName: 'node-1',
    sysDescr: 'margay',
    snapshot: () => [
      {
        up,
        families: [4, 6],
        pre: [update({ attributes: MANDATORY, nlri: '18 0a3200' })],
        post: [update({ attributes: `${REACH} ${MANDATORY}` })],
      },
    ],
    backoff: { firstMs: 50, lastMs: 200 },
  })
  client.start()
  await eventually('the dump is over', async () => client.status().state === 'live', {
    describe: async () => station.output,
  })
  client.routes(peer, 'pre', update({ withdrawn: '18 0a3200' }))
  client.stats({ peer, at, values: { rejectedPrefixes: 3, adjRibInRoutes: 7 } })
  client.peerDown({ peer, reason: { kind: 'remoteNotification', notification: message(3, '06 02') }, at })
  await client.stop('bye')

  await eventually('all of it is logged', async () => station.lines.at(-1)?.['event_type'] === 'log_close', {
    describe: async () => [station.lines, station.output],
  })
  const told = station.lines.filter((line) => line['bmp_msg_type'] !== undefined)
  const who = { peer_ip: '192.0.2.1', peer_asn: 4_200_000_001 }
  const when = { timestamp: expect.stringMatching(/^2023-11-1\d .*:20\.250000$/) as unknown }
  const route = { bmp_msg_type: 'route_monitor', peer_ip: '192.0.2.1', safi: 1 }
  const ways = { local_ip: '192.0.2.2', local_port: 179, remote_port: 40000, bgp_id: '10.0.0.1' }
  expect(told).toMatchObject([
    { bmp_msg_type: 'init', bmp_init_info_sysname: 'node-1', bmp_init_info_sysdescr: 'margay' },
    { bmp_msg_type: 'peer_up', ...who, ...when, ...ways },
    { ...route, log_type: 'update', is_post: 0, afi: 1, ip_prefix: '10.50.0.0/24', bgp_nexthop: '10.9.1.1' },
    { ...route, log_type: 'update', is_post: 1, afi: 2, ip_prefix: 'fd00:0:1::/48', bgp_nexthop: '2001:db8::1' },
    { ...route, log_type: 'withdraw', is_post: 0, afi: 1, ip_prefix: '10.50.0.0/24' },
    { bmp_msg_type: 'stats', ...who, counter_type: 0, counter_value: 3 },
    { bmp_msg_type: 'stats', ...who, counter_type: 7, counter_value: 7 },
    { bmp_msg_type: 'peer_down', ...who, ...when, reason_type: 3 },
    { bmp_msg_type: 'term', bmp_term_info_string: 'bye' },
  ])
})
