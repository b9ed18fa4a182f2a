import { chmodSync, createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type MrtMessage, type MrtRecord, type MrtRib, readMrt } from '../../src/index.ts'
import { Bird } from '../interop/bird.ts'
import type { DaemonProcess, DaemonSetup } from '../interop/daemon.ts'
import { eventually } from '../interop/eventually.ts'
import { Frr } from '../interop/frr.ts'
import { type Link, NamespaceStar } from '../interop/namespace-pair.ts'
import { SpeakerChild } from '../interop/speaker-child.ts'

const setup: DaemonSetup = {
  asn: 65001,
  ourAsn: 4_200_000_002,
  routerId: '192.0.2.1',
  networks: ['10.50.0.0/24', 'fd50::/48'],
}

class DumpingFrr extends Frr {
  async configure(...lines: string[]): Promise<void> {
    const commands = ['configure terminal', ...lines].flatMap((line) => ['-c', line])
    await this.ask('vtysh', ['--vty_socket', this.directory, '-d', 'bgpd', ...commands])
  }
}

class DumpingBird extends Bird {
  async command(text: string): Promise<string> {
    return this.ask('birdc', ['-s', join(this.directory, 'ctl'), text])
  }
}

/** Both ends have each other's routes. */
async function exchanged(daemon: DaemonProcess, star: NamespaceStar): Promise<SpeakerChild> {
  const link = star.links[0] as Link
  const speaker = await SpeakerChild.start(star.ours, {
    asn: 4_200_000_002,
    routerId: '192.0.2.2',
    listen: { address: '0.0.0.0', port: 179 },
    networks: ['10.20.0.0/24', 'fd20::/48'],
    nextHop: { ipv6: link.ours.ipv6 },
    neighbors: [{ address: link.theirs.ipv4, asn: 65001, connectRetry: 2 }],
  })
  for (const prefix of ['10.20.0.0/24', 'fd20::/48']) {
    await eventually(`${prefix} is there`, async () => (await daemon.route(prefix)) !== '', {
      describe: async () => `${speaker.log}\n${daemon.log}`,
    })
  }
  return speaker
}

/** All records, once the file has what `isComplete` wants. */
async function read(path: string, isComplete: (records: MrtRecord[]) => boolean): Promise<MrtRecord[]> {
  let records: MrtRecord[] = []
  const failures: unknown[] = []
  return eventually(
    `${path} is complete`,
    async () => {
      if (!existsSync(path)) return undefined
      try {
        records = []
        for await (const record of readMrt(createReadStream(path))) records.push(record)
      } catch (error) {
        // The writer may be in the middle of a record.
        failures.push(String(error))
      }
      return isComplete(records) ? records : undefined
    },
    { describe: async () => [failures.at(-1), records] },
  )
}

const prefixes = (records: readonly MrtRecord[]): string[] =>
  records.flatMap((record) => (record.kind === 'rib' ? [record.prefix] : []))
const messageTypes = (records: readonly MrtRecord[]): (number | undefined)[] =>
  records.flatMap((record) => (record.kind === 'message' ? [record.message[18]] : []))

test('FRR: dump bgp all, dump bgp routes-mrt', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  await using frr = new DumpingFrr(link, setup)
  chmodSync(frr.directory, 0o777)
  const path = (name: string): string => join(frr.directory, name)
  await frr.start()
  await frr.configure(`dump bgp all-et ${path('all.mrt')}`)
  await using _speaker = await exchanged(frr, star)
  await frr.configure(`dump bgp routes-mrt ${path('rib.mrt')} 1`)

  const table = await read(path('rib.mrt'), (records) => prefixes(records).includes('fd20::/48'))
  const index = table.find((record) => record.kind === 'peerIndexTable')
  expect(index).toMatchObject({ collectorId: '192.0.2.1' })
  expect(index?.peers).toContainEqual({ routerId: '192.0.2.2', address: link.ours.ipv4, asn: 4_200_000_002 })
  const rib = table.find((record): record is MrtRib => record.kind === 'rib' && record.prefix === '10.20.0.0/24')
  expect(index?.peers[rib?.entries[0]?.peerIndex ?? -1]?.asn).toBe(4_200_000_002)

  const log = await read(path('all.mrt'), (records) => messageTypes(records).includes(2))
  expect(messageTypes(log)).toEqual(expect.arrayContaining([1, 2, 4]))
  expect(log.filter((record) => record.kind === 'unknown')).toEqual([])
  expect(log.find((record) => record.kind === 'stateChange')).toMatchObject({
    peerAddress: link.ours.ipv4,
    localAsn: 65001,
  })
  const update = log.find((record): record is MrtMessage => record.kind === 'message' && record.message[18] === 2)
  expect(update?.timeUs).toBeGreaterThan((Date.now() - 60_000) * 1000)
})

test('BIRD: mrt dump of tables, mrtdump of messages', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  await using bird = new DumpingBird(link, setup)
  const path = (name: string): string => join(bird.directory, name)
  await bird.start()
  // It holds for the protocols that stand behind it.
  const head = `mrtdump "${path('all.mrt')}"; mrtdump protocols { states, messages };\n`
  writeFileSync(path('bird.conf'), `${head}${readFileSync(path('bird.conf'), 'utf8')}`)
  await bird.command('configure')
  await using _speaker = await exchanged(bird, star)
  for (const name of ['master4', 'master6']) await bird.command(`mrt dump table "${name}" to "${path(name)}"`)
  const four = await read(path('master4'), (records) => prefixes(records).includes('10.20.0.0/24'))
  const six = await read(path('master6'), (records) => prefixes(records).includes('fd20::/48'))
  expect(prefixes(six)).toEqual(expect.arrayContaining(['fd20::/48', 'fd50::/48']))
  const index = four.find((record) => record.kind === 'peerIndexTable')
  expect(index?.peers).toContainEqual({ routerId: '192.0.2.2', address: link.ours.ipv4, asn: 4_200_000_002 })

  const log = await read(path('all.mrt'), (records) => messageTypes(records).includes(2))
  expect(messageTypes(log)).toEqual(expect.arrayContaining([1, 2, 4]))
  expect(log.filter((record) => record.kind === 'unknown')).toEqual([])
})
