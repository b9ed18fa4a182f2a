import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MARGAY = fileURLToPath(new URL('../../bin/margay', import.meta.url))
/** Loopback addresses of this process alone. */
const net = `127.${1 + (process.pid % 250)}.${200 + (Math.floor(process.pid / 250) % 50)}`
const [ONE, TWO, NOBODY] = [`${net}.1`, `${net}.2`, `${net}.3`]

interface Answer {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Started {
  readonly listening: readonly { readonly port: number }[]
  readonly http: { readonly port: number }
}

let directory = ''
let url = ''
const running: ChildProcess[] = []

/** Starts `margay bgp run` and waits until it says where it listens. */
async function run(name: string, config: object): Promise<Started> {
  const file = join(directory, `${name}.json`)
  await writeFile(file, JSON.stringify(config))
  const child = spawn(MARGAY, ['bgp', 'run', '--config', file], { stdio: ['ignore', 'inherit', 'pipe'] })
  running.push(child)
  for await (const line of createInterface(child.stderr)) {
    const entry = JSON.parse(line) as Started & { readonly msg: string }
    if (entry.msg !== 'BGP speaker runs') continue
    child.stderr.resume()
    return entry
  }
  throw new Error(`${name} ended`)
}

async function margay(...words: string[]): Promise<Answer> {
  const child = spawn(MARGAY, ['bgp', ...words], { env: { ...process.env, MARGAY_BGP_URL: url } })
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  return { status, stdout, stderr }
}

/** The prefix that the peer sent is there: both tables have gone over. */
async function routesAreThere(): Promise<void> {
  const deadline = performance.now() + 30_000
  /* oxlint-disable no-await-in-loop -- asks until it is so */
  for (;;) {
    const { stdout } = await margay('routes', '--peer', TWO, '-o', 'json')
    if (stdout.includes('10.9.0.0/16')) return
    if (performance.now() > deadline) throw new Error(`no route from ${TWO}: ${stdout}`)
  }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'margay-bgp-'))
  const reject = { rules: [{ match: { cidr: '10.1.0.0/16' }, then: 'reject' }], default: 'reject' }
  const { listening, http } = await run('one', {
    asn: 65001,
    routerId: ONE,
    listen: { address: ONE, port: 0 },
    http: '127.0.0.1:0',
    networks: ['10.1.0.0/16'],
    neighbors: [
      { address: TWO, asn: 65002, passive: true, description: 'upstream', export: reject },
      { address: NOBODY, asn: 65003, passive: true },
    ],
  })
  url = `http://127.0.0.1:${http.port}`
  const neighbors = [{ address: ONE, asn: 65001, port: listening[0]?.port, sourceAddress: TWO }]
  await run('two', {
    asn: 65002,
    routerId: TWO,
    listen: [],
    networks: ['10.9.0.0/16'],
    neighbors,
    http: '127.0.0.1:0',
  })
  await routesAreThere()
})

afterAll(async () => {
  for (const child of running) {
    if (child.exitCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await ended).toEqual([0, null])
  }
  await rm(directory, { recursive: true, force: true })
})

test('peers: a table on stdout, with why nothing is advertised', async () => {
  const { status, stdout, stderr } = await margay('peers')
  expect([status, stderr]).toEqual([0, ''])
  const [head, , columns, two, nobody] = stdout.split('\n')
  expect(head).toBe(`AS 65001, router id ${ONE}, 1 of 2 peers Established`)
  expect(columns).toMatch(/^NEIGHBOR +AS +STATE/)
  expect(two).toMatch(/65002 +Established +00:00:\d\d +1\/1\/0 +0\/0\/0 +0 +upstream; ipv4: nothing advertised/)
  expect(two).toMatch(/\(1 cameFromPeer, 1 policy\)|\(1 policy, 1 cameFromPeer\)/)
  expect(nobody).toMatch(/waiting for the peer to dial$/)
})

test('the same as JSON, and one peer', async () => {
  const { status, stdout } = await margay('peers', '-o', 'json')
  expect([status, JSON.parse(stdout)]).toMatchObject([
    0,
    { peers: [{ address: TWO, state: 'Established' }, { address: NOBODY }] },
  ])
  const one = await margay('peers', TWO)
  expect([one.status, one.stdout]).toEqual([0, expect.stringContaining('refused by the export policy')])
  expect(JSON.parse((await margay('peers', TWO, '--output', 'json')).stdout)).toMatchObject({
    notAdvertised: { ipv4: { reasons: { policy: 1 } } },
  })
})

test('routes: each table, filtered, as text and as JSON', async () => {
  const all = await margay('routes')
  expect(all.stdout).toMatch(/\*> {2}10\.1\.0\.0\/16 .* local +OnlyPath\n\*> {2}10\.9\.0\.0\/16 .* 65002 i /)
  expect((await margay('routes', '--peer', TWO)).stdout).toMatch(/10\.9\.0\.0\/16 .*accepted\n$/)
  expect((await margay('routes', '--table', 'adjRibOut', '--prefix', '10.1.0.0/16')).stdout).toMatch(
    /not advertised: policy\n$/,
  )
  const json = await margay('routes', '--prefix', '10.9.0.0/16', '-o', 'json')
  expect(JSON.parse(json.stdout)).toMatchObject({ locRib: [{ prefix: '10.9.0.0/16', paths: [{ learnedFrom: TWO }] }] })
  expect(JSON.parse((await margay('routes', '--family', 'ipv6', '-o', 'json')).stdout)).toEqual({ locRib: [] })
})

test('explain', async () => {
  const { status, stdout } = await margay('explain', '10.9.1.1')
  expect([status, stdout.split('\n')[0]]).toEqual([0, '10.9.1.1/32 is in no table; the longest match is:'])
  expect(stdout).toContain(`from ${TWO} (external), the only usable path`)
  const json = await margay('explain', '10.1.0.0/16', '-o', 'json')
  expect(JSON.parse(json.stdout)).toMatchObject({
    exact: { notAdvertisedTo: [{ reason: 'policy' }, { reason: 'notEstablished' }] },
  })
})

test('a reader that goes away early is no failure', async () => {
  const child = spawn('sh', ['-c', '"$0" bgp routes -o json; echo $? >&2', MARGAY], {
    env: { ...process.env, MARGAY_BGP_URL: url },
  })
  child.stdout.destroy()
  expect(await text(child.stderr)).toBe('0\n')
})

test('exit status: 2 for wrong words, 1 for no answer; stdout stays empty', async () => {
  const rows = [
    [2, ['explain', '10.1'], /prefix/],
    [2, ['routes', '--table', 'rib'], /Allowed choices/],
    [2, ['routes', '--peer', '10.9.9.9'], /no peer 10\.9\.9\.9/],
    [2, ['peers', '--url', 'ftp://x'], /not an HTTP URL/],
    [1, ['peers', '10.9.9.9'], /no peer 10\.9\.9\.9/],
    [1, ['peers', '--url', `http://${NOBODY}:9`], /no speaker answers/],
  ] as const
  for (const [status, words, message] of rows) {
    // oxlint-disable-next-line no-await-in-loop -- two cores
    const answer = await margay(...words)
    expect([words, answer.status, answer.stdout]).toEqual([words, status, ''])
    expect(answer.stderr).toMatch(message)
  }
})
