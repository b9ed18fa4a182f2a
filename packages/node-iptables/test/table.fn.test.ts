import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Prefix } from '@margay/net'
import { openRoute } from '@margay/netlink'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Exec, type IptablesError, IptablesTable, processExec, type Rule, type Variant } from '../src/index.ts'
import { type ScratchNetns, scratchNetns } from './scratch-netns.ts'

const FLAVOURS = (['legacy', 'nft'] as const).flatMap((variant) =>
  ([4, 6] as const).map((family) => ({ variant, family })),
)

interface Setup {
  readonly table: IptablesTable
  /** Programs that the driver ran. */
  readonly ran: string[]
}

function openTable(
  scratch: ScratchNetns,
  variant: Variant,
  family: 4 | 6,
  options: { table?: 'filter' | 'nat'; lockTimeoutSeconds?: number; exec?: Exec } = {},
): Setup {
  const ran: string[] = []
  const run = options.exec ?? processExec({ netns: scratch.handle })
  const exec: Exec = async (program, args, input) => {
    ran.push(program)
    return await run(program, args, input)
  }
  const table = new IptablesTable({
    table: options.table ?? 'filter',
    family,
    variant,
    chainPrefix: 'own-',
    hashPrefix: 'own:',
    lockTimeoutSeconds: options.lockTimeoutSeconds ?? 10,
    exec,
  })
  return { table, ran }
}

const restores = (ran: readonly string[]): number => ran.filter((program) => program.endsWith('-restore')).length
const saved = (scratch: ScratchNetns, variant: Variant, family: 4 | 6, table = 'filter'): string[] =>
  scratch
    .run(`${family === 4 ? 'iptables' : 'ip6tables'}-${variant}-save`, ['-t', table])
    .split('\n')
    .filter((line) => /^[-:]/.test(line))
const feed = (scratch: ScratchNetns, variant: Variant, family: 4 | 6, ...lines: string[]): string =>
  scratch.run(
    `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}-restore`,
    ['--noflush', '-w', '10'],
    `${lines.join('\n')}\nCOMMIT\n`,
  )

const net = (family: 4 | 6): Prefix => Prefix.parse(family === 4 ? '10.1.0.0/16' : 'fd00:1::/32')
const drop: Rule = { action: { kind: 'drop' } }
const accept: Rule = { action: { kind: 'accept' } }

function desire(table: IptablesTable, family: 4 | 6): void {
  table.setChain('own-a', [
    {
      match: [
        { kind: 'source', prefix: net(family) },
        { kind: 'protocol', protocol: 'tcp' },
        { kind: 'destinationPorts', ports: [80, { first: 8000, last: 8080 }] },
      ],
      action: { kind: 'setMark', value: 0x10000, mask: 0x10000 },
    },
    {
      match: [{ kind: 'mark', value: 0x10000, mask: 0x10000 }],
      action: { kind: 'return' },
      comments: ['policy "x"\nof: y'],
    },
    drop,
  ])
  table.setChain('own-FORWARD', [
    { match: [{ kind: 'inInterface', name: 'pod+' }], action: { kind: 'jump', chain: 'own-a' } },
  ])
  table.setHooks('FORWARD', 'insert', [
    { action: { kind: 'jump', chain: 'own-FORWARD' } },
    { action: { kind: 'none' } },
  ])
  table.setHooks('FORWARD', 'append', [
    { match: [{ kind: 'mark', value: 0x10000, mask: 0x10000 }], action: { kind: 'accept' } },
  ])
}

describe.each(FLAVOURS)('iptables-$variant, IPv$family', ({ variant, family }) => {
  test('writes what is wanted, once; a second instance adopts it; foreign rules stay', async () => {
    using scratch = scratchNetns()
    feed(
      scratch,
      variant,
      family,
      '*filter',
      ':OTHER - [0:0]',
      '-A OTHER -j DROP',
      '-A FORWARD -m comment --comment "theirs -j own-x" -j OTHER',
      '-A INPUT -p tcp -j ACCEPT',
    )
    const { table, ran } = openTable(scratch, variant, family)
    desire(table, family)
    expect(await table.apply()).toMatchObject({
      restores: 1,
      repairedHooks: ['FORWARD'],
      failures: [],
      stillReferenced: [],
    })
    const after = saved(scratch, variant, family)
    expect(
      after.filter((line) => line.startsWith('-A FORWARD')).map((line) => line.replace(/own:\S{16}/, 'own:HASH')),
    ).toEqual([
      '-A FORWARD -m comment --comment "own:HASH" -j own-FORWARD',
      '-A FORWARD -m comment --comment "own:HASH"',
      '-A FORWARD -m comment --comment "theirs -j own-x" -j OTHER',
      '-A FORWARD -m comment --comment "own:HASH" -m mark --mark 0x10000/0x10000 -j ACCEPT',
    ])
    expect(after).toContain('-A INPUT -p tcp -j ACCEPT')
    expect(after.filter((line) => line.startsWith('-A own-a'))).toHaveLength(3)
    expect(after.find((line) => line.includes('RETURN'))).toContain('--comment "policy _x__of: y"')
    expect(await table.apply()).toMatchObject({ restores: 0 })
    expect(restores(ran)).toBe(1)

    const second = openTable(scratch, variant, family)
    desire(second.table, family)
    expect(await second.table.apply()).toMatchObject({ restores: 0, writtenChains: [], repairedHooks: [] })
    expect(second.ran).toHaveLength(1)
    expect(saved(scratch, variant, family)).toEqual(after)
  })

  test('adoption keeps the packet counters of what is right', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.handle })
    await route.setLink('lo', { up: true })
    const want = (table: IptablesTable): void => {
      table.setChain('own-count', [{ action: { kind: 'none' } }])
      table.setHooks('OUTPUT', 'insert', [{ action: { kind: 'jump', chain: 'own-count' } }])
    }
    const first = openTable(scratch, variant, family)
    want(first.table)
    await first.table.apply()
    const count = async (table: IptablesTable): Promise<number> =>
      (await table.read()).get('own-count')?.rules.find((rule) => rule.hash === table.hashes('own-count')?.[0])
        ?.packets ?? -1
    scratch.run('ping', ['-c', '3', '-i', '0.01', family === 4 ? '127.0.0.1' : '::1'])
    const before = await count(first.table)
    expect(before).toBeGreaterThanOrEqual(6)
    const second = openTable(scratch, variant, family)
    want(second.table)
    second.table.setChain('own-new', [drop])
    expect(await second.table.apply()).toMatchObject({ restores: 1, writtenChains: ['own-new'], repairedHooks: [] })
    expect(await count(second.table)).toBe(before)
  })

  test('rewrites only the chain that changed, deletes what nobody wants', async () => {
    using scratch = scratchNetns()
    const { table, ran } = openTable(scratch, variant, family)
    feed(
      scratch,
      variant,
      family,
      '*filter',
      ':own-old1 - [0:0]',
      ':own-old2 - [0:0]',
      '-A own-old1 -j own-old2',
      '-A own-old2 -j DROP',
    )
    desire(table, family)
    expect(await table.apply()).toMatchObject({ restores: 1, deletedChains: ['own-old1', 'own-old2'] })
    table.setChain('own-a', [accept])
    expect(await table.apply()).toMatchObject({ restores: 1, writtenChains: ['own-a'], repairedHooks: [] })
    table.setChain('own-a', [accept])
    expect(await table.apply()).toMatchObject({ restores: 0 })
    table.removeChain('own-a')
    expect(await table.apply()).toMatchObject({ restores: 0, stillReferenced: ['own-a'] })
    table.setChain('own-FORWARD', [])
    expect(await table.apply()).toMatchObject({
      writtenChains: ['own-FORWARD'],
      deletedChains: ['own-a'],
      stillReferenced: [],
    })
    table.setHooks('FORWARD', 'insert', [])
    table.setHooks('FORWARD', 'append', [])
    table.removeChain('own-FORWARD')
    await table.apply()
    expect(saved(scratch, variant, family).filter((line) => line.includes('own'))).toEqual([])
    expect(ran.filter((program) => program.endsWith('-save'))).toHaveLength(1)
  })

  test('a chain of ours that a foreign rule uses is reported, not fought over', async () => {
    using scratch = scratchNetns()
    feed(scratch, variant, family, '*filter', ':own-x - [0:0]', '-A own-x -j DROP', '-A INPUT -j own-x')
    const { table } = openTable(scratch, variant, family)
    expect(await table.apply()).toMatchObject({ restores: 0, stillReferenced: ['own-x'], failures: [] })
    expect(table.dirty).toBe(false)
    feed(scratch, variant, family, '*filter', '-D INPUT -j own-x')
    table.markStale()
    expect(await table.apply()).toMatchObject({ restores: 1, deletedChains: ['own-x'], stillReferenced: [] })
  })

  test('repairs what a stranger flushed, moved, doubled or added', async () => {
    using scratch = scratchNetns()
    const { table } = openTable(scratch, variant, family)
    desire(table, family)
    await table.apply()
    const right = saved(scratch, variant, family)
    const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}`
    const hook = right.find((line) => line.includes('-j own-FORWARD')) as string
    const damage: (() => unknown)[] = [
      () => scratch.run(program, ['-w', '10', '-F']),
      () => scratch.run(program, ['-w', '10', '-F', 'FORWARD']),
      () => feed(scratch, variant, family, '*filter', '-I own-a -j ACCEPT'),
      () => feed(scratch, variant, family, '*filter', hook),
      () => feed(scratch, variant, family, '*filter', hook.replace('-A', '-D'), hook),
      () => feed(scratch, variant, family, '*filter', ':own-b - [0:0]', '-A own-b -j DROP'),
    ]
    for (const [index, hurt] of damage.entries()) {
      hurt()
      expect(saved(scratch, variant, family), `damage ${index}`).not.toEqual(right)
      table.markStale()
      expect(await table.apply()).toMatchObject({ restores: 1, failures: [] })
      expect(saved(scratch, variant, family), `damage ${index}`).toEqual(right)
    }
  })

  test('a table changed behind our back: looked at again, then right', async () => {
    using scratch = scratchNetns()
    const { table } = openTable(scratch, variant, family)
    desire(table, family)
    await table.apply()
    scratch.run(`${family === 4 ? 'iptables' : 'ip6tables'}-${variant}`, ['-w', '10', '-F'])
    scratch.run(`${family === 4 ? 'iptables' : 'ip6tables'}-${variant}`, ['-w', '10', '-X'])
    table.setChain('own-FORWARD', [{ action: { kind: 'goto', chain: 'own-a' } }])
    expect(await table.apply()).toMatchObject({ restores: 2, failures: [] })
    expect(saved(scratch, variant, family).filter((line) => line.includes('own-a'))).toHaveLength(5)
  })

  test('a bad chain is left out with what needs it; the rest is applied; the line is named', async () => {
    using scratch = scratchNetns()
    const { table } = openTable(scratch, variant, family)
    desire(table, family)
    const missing: Rule = {
      match: [{ kind: 'ipSet', name: 'no-such-set', flags: ['src'] }],
      action: { kind: 'accept' },
    }
    table.setChain('own-bad', [accept, missing])
    table.setChain('own-needs-bad', [{ action: { kind: 'jump', chain: 'own-bad' } }])
    // The kernel refuses NAT in the table filter, and tells no line in the legacy variant.
    table.setChain('own-nat', [{ action: { kind: 'masquerade' } }])
    table.setChain('own-dangling', [{ action: { kind: 'jump', chain: 'own-nowhere' } }])
    const result = await table.apply()
    expect(result.failures.map(({ chain }) => chain).toSorted()).toEqual([
      'own-bad',
      'own-dangling',
      'own-nat',
      'own-needs-bad',
    ])
    const failureOf = (chain: string): IptablesError | undefined =>
      result.failures.find((failure) => failure.chain === chain)?.error
    expect(failureOf('own-bad')).toMatchObject({
      code: 'IPTABLES_RESTORE_FAILED',
      exitCode: 2,
      line: { text: expect.stringContaining('--match-set no-such-set src -j ACCEPT') },
    })
    expect(failureOf('own-bad')?.message).toMatch(/Set no-such-set doesn't exist\. at line \d+: -A own-bad/)
    expect(failureOf('own-needs-bad')).toMatchObject({ code: 'IPTABLES_DEPENDS_ON_FAILED' })
    expect(failureOf('own-dangling')?.line?.text).toContain('-j own-nowhere')
    const after = saved(scratch, variant, family)
    expect(after.filter((line) => line.includes('-A own-a '))).toHaveLength(3)
    expect(after.filter((line) => line.startsWith('-A FORWARD'))).toHaveLength(3)
    expect(after.filter((line) => /bad|nat|dangling/.test(line))).toEqual([])
    expect(table.dirty).toBe(true)
    for (const chain of ['own-nat', 'own-dangling']) table.removeChain(chain)
    table.setChain('own-bad', [accept])
    expect(await table.apply()).toMatchObject({ failures: [], writtenChains: ['own-bad', 'own-needs-bad'] })
    expect(table.dirty).toBe(false)
  })

  test('atomic: one bad chain and nothing is changed', async () => {
    using scratch = scratchNetns()
    const { table } = openTable(scratch, variant, family)
    desire(table, family)
    table.setChain('own-nat', [{ action: { kind: 'masquerade' } }])
    await expect(table.apply({ atomic: true })).rejects.toMatchObject({ code: 'IPTABLES_RESTORE_FAILED' })
    expect(saved(scratch, variant, family).filter((line) => line.includes('own-'))).toEqual([])
    table.removeChain('own-nat')
    expect(await table.apply({ atomic: true })).toMatchObject({ restores: 1 })
  })

  test('calls at the same time are put in order', async () => {
    using scratch = scratchNetns()
    const { table } = openTable(scratch, variant, family)
    desire(table, family)
    const first = table.apply()
    table.setChain('own-a', [accept])
    const second = table.apply()
    expect((await first).restores).toBe(1)
    expect((await second).restores).toBeLessThanOrEqual(1)
    expect(saved(scratch, variant, family).filter((line) => line.startsWith('-A own-a'))).toHaveLength(1)
  })
})

test('the xtables lock of another program is waited for, and a timeout is named', async () => {
  using scratch = scratchNetns()
  // A lock of the test's own: the machine's would hold up everything else that runs iptables.
  using lock = mkdtempDisposableSync(join(tmpdir(), 'margay-xtables-'))
  const lockFile = join(lock.path, 'lock')
  vi.stubEnv('XTABLES_LOCKFILE', lockFile)
  onTestFinished(() => void vi.unstubAllEnvs())
  const holder = spawn('flock', [lockFile, 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  const { table } = openTable(scratch, 'legacy', 4, { lockTimeoutSeconds: 1 })
  desire(table, 4)
  await expect(table.apply()).rejects.toMatchObject({ code: 'IPTABLES_LOCK_TIMEOUT' })
  expect(table.dirty).toBe(true)
  const patient = openTable(scratch, 'legacy', 4, { lockTimeoutSeconds: 50 })
  desire(patient.table, 4)
  const applied = patient.table.apply()
  setTimeout(() => holder.stdin.end('\n'), 300)
  expect(await applied).toMatchObject({ restores: 1, failures: [] })
})

test('a missing program is named', async () => {
  using scratch = scratchNetns()
  const exec = processExec({ netns: scratch.handle })
  const { table } = openTable(scratch, 'nft', 4, {
    exec: async (program, args, input) => await exec(`no-${program}`, args, input),
  })
  await expect(table.apply()).rejects.toMatchObject({
    code: 'IPTABLES_NOT_FOUND',
    message: 'no-iptables-nft-save is not installed',
  })
})
