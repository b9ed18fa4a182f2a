import { execFileSync } from 'node:child_process'
import { createReadStream, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  type MrtRecord,
  MrtTable,
  MrtUpdateLog,
  readMrt,
  type WritableMrtRecord,
  writeMrtFile,
} from '../../src/index.ts'
import { ManualClock } from '../speaker/manual-clock.ts'
import { MANDATORY, message, update } from '../wire/hex.ts'

class ScratchDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'mgymrt-'))

  file(name: string): string {
    return join(this.path, name)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

const session = {
  peerAsn: 65001,
  localAsn: 4_200_000_002,
  interfaceIndex: 0,
  peerAddress: '10.9.1.1',
  localAddress: '10.9.1.2',
}
const timeUs = 1_700_000_000_250_000
const REACH = '80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 30 fd0000000001'

const messageRecord = (octets: Uint8Array): WritableMrtRecord => ({
  kind: 'message',
  timeUs,
  ...session,
  addPath: false,
  local: false,
  message: octets,
})

async function recordsOf(path: string): Promise<MrtRecord[]> {
  const records: MrtRecord[] = []
  for await (const record of readMrt(createReadStream(path))) records.push(record)
  return records
}

/** bgpdump's own reading, a line for each event: `BGP4MP_ET|time|A|peer|AS|prefix|path|origin|next hop|…`. */
const bgpdump = (path: string): string[] =>
  execFileSync('bgpdump', ['-m', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    .trim()
    .split('\n')

test('bgpdump reads the updates that we write', async () => {
  using directory = new ScratchDirectory()
  const log = new MrtUpdateLog({ directory: directory.path })
  log.write({ kind: 'stateChange', timeUs, ...session, from: 'OpenConfirm', to: 'Established' })
  log.write(messageRecord(update({ attributes: MANDATORY, nlri: '18 0a3200' })))
  log.write(messageRecord(update({ attributes: `${REACH} ${MANDATORY}` })))
  log.write(messageRecord(update({ withdrawn: '18 0a3200' })))
  log.write(messageRecord(message(4, '')))
  await log.close()
  const [name = ''] = readdirSync(directory.path)
  expect(name).toMatch(/^updates\.\d{8}\.\d{6}\.mrt$/)
  const lines = bgpdump(directory.file(name))
  expect(lines.map((line) => line.split('|').slice(2).join('|'))).toEqual([
    'STATE|10.9.1.1|65001|5|6',
    'A|10.9.1.1|65001|10.50.0.0/24|65001|IGP|10.9.1.1|0|0||NAG||',
    'A|10.9.1.1|65001|fd00:0:1::/48|65001|IGP|2001:db8::1|0|0||NAG||',
    'W|10.9.1.1|65001|10.50.0.0/24',
  ])
  expect(lines[0]).toContain('1700000000.250000')
})

test('bgpdump reads the tables that we write', async () => {
  using directory = new ScratchDirectory()
  const table = new MrtTable()
  const one = table.addPeer({ routerId: '10.0.0.1', address: '10.9.1.1', asn: 65001 })
  const two = table.addPeer({ routerId: '10.0.0.2', address: 'fd09::1', asn: 4_200_000_001 })
  table.add(one, update({ attributes: MANDATORY, nlri: '18 0a3200 10 0a33' }), 1_600_000_000)
  table.add(two, update({ attributes: `${REACH} ${MANDATORY}`, nlri: '18 0a3200' }), 1_600_000_001)
  const path = directory.file('rib.mrt')
  await writeMrtFile(path, table.records({ timeUs, collectorId: '10.0.0.9', viewName: 'all' }))
  expect(readdirSync(directory.path)).toEqual(['rib.mrt'])
  const lines = bgpdump(path).map((line) => line.split('|').slice(3, 9).join('|'))
  expect(lines).toEqual([
    '10.9.1.1|65001|10.50.0.0/24|65001|IGP|10.9.1.1',
    'fd09::1|4200000001|10.50.0.0/24|65001|IGP|10.9.1.1',
    '10.9.1.1|65001|10.51.0.0/16|65001|IGP|10.9.1.1',
    'fd09::1|4200000001|fd00:0:1::/48|65001|IGP|2001:db8::1',
  ])
})

test('a new file when it is time, when the size is reached, and never over an old one', async () => {
  using directory = new ScratchDirectory()
  const clock = new ManualClock()
  const log = new MrtUpdateLog({ directory: directory.path, clock, rotateMs: 1000, rotateOctets: 200, prefix: 'u' })
  const write = (count: number): void => {
    for (let index = 0; index < count; index++) log.write(messageRecord(message(4, '')))
  }
  write(6)
  clock.advance(1000)
  write(1)
  await log.close()
  const names = readdirSync(directory.path).toSorted()
  expect(names).toEqual(['u.20260101.000000.1.mrt', 'u.20260101.000000.mrt', 'u.20260101.000001.mrt'])
  const counts = await Promise.all(names.map(async (name) => (await recordsOf(directory.file(name))).length))
  expect(counts).toEqual([2, 4, 1])
  expect(log.dropped).toBe(0)
})

test('a directory that can not be written costs a counter', async () => {
  using directory = new ScratchDirectory()
  const log = new MrtUpdateLog({ directory: directory.file('missing') })
  log.write(messageRecord(message(4, '')))
  await log.close()
  expect(log.dropped).toBe(1)
  await expect(writeMrtFile(directory.file('missing/rib.mrt'), [])).rejects.toThrow('ENOENT')
})

test('what is no file is not replaced by one', async () => {
  using directory = new ScratchDirectory()
  const device = directory.file('device')
  execFileSync('mknod', [device, 'c', '1', '3'])
  await expect(writeMrtFile(device, [])).rejects.toMatchObject({ code: 'BGP_BAD_CONFIG' })
  expect(statSync(device).isCharacterDevice()).toBe(true)
  expect(readdirSync(directory.path)).toEqual(['device'])
})
