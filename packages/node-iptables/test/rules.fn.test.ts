import { expect, test } from 'vitest'
import { detectVariant, parseSave, processExec, renderRule } from '../src/index.ts'
import { SAMPLE_RULES } from './sample-rules.ts'
import { scratchNetns } from './scratch-netns.ts'

const FLAVOURS = (['legacy', 'nft'] as const).flatMap((variant) =>
  ([4, 6] as const).map((family) => ({ variant, family })),
)

test.for(FLAVOURS)(
  'the real iptables-restore takes every kind of rule: $variant, IPv$family',
  ({ variant, family }) => {
    using scratch = scratchNetns()
    scratch.run('ipset', ['create', 'sample', 'hash:ip', 'family', family === 4 ? 'inet' : 'inet6'])
    const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}`
    for (const table of ['filter', 'nat', 'mangle', 'raw'] as const) {
      const lines = SAMPLE_RULES[family]
        .filter((sample) => sample.table === table)
        .map(
          ({ rule }) =>
            `-A ${rule.action.kind === 'dnat' || table === 'raw' ? 'pre' : 'any'} ${renderRule(rule, { family })}`,
        )
      const text = [`*${table}`, ':other - [0:0]', ':any - [0:0]', ':pre - [0:0]', ...lines, 'COMMIT', ''].join('\n')
      scratch.run(`${program}-restore`, ['--noflush', '--test', '-w', '10'], text)
      scratch.run(`${program}-restore`, ['--noflush', '-w', '10'], text)
      const saved = parseSave(scratch.run(`${program}-save`, ['-t', table]), 'own:').get(table)
      const count = (saved?.get('any')?.rules.length ?? 0) + (saved?.get('pre')?.rules.length ?? 0)
      expect(count, table).toBe(lines.length)
    }
  },
)

test('the variant in use is found: by kubelet’s chains, by number of rules, nft when nothing is there', async () => {
  using scratch = scratchNetns()
  const detect = async (): Promise<string> => (await detectVariant({ netns: scratch.handle })).variant
  expect(await detect()).toBe('nft')
  scratch.run('iptables-legacy', ['-w', '10', '-A', 'INPUT', '-j', 'ACCEPT'])
  expect(await detectVariant({ netns: scratch.handle })).toEqual({ variant: 'legacy', reason: '1 rules, 0 in nft' })
  scratch.run('ip6tables-nft', ['-A', 'INPUT', '-j', 'ACCEPT'])
  expect(await detect()).toBe('nft')
  scratch.run('iptables-legacy', ['-w', '10', '-t', 'mangle', '-N', 'KUBE-KUBELET-CANARY'])
  expect(await detectVariant({ netns: scratch.handle })).toEqual({ variant: 'legacy', reason: 'kubelet uses it' })
  scratch.run('iptables-nft', ['-t', 'mangle', '-N', 'KUBE-IPTABLES-HINT'])
  expect(await detect()).toBe('nft')
})

test('looking for the variant creates no legacy table', async () => {
  using scratch = scratchNetns()
  await detectVariant({ netns: scratch.handle })
  expect(scratch.run('cat', ['/proc/net/ip_tables_names'])).toBe('')
})

test('one program missing: the other is used; both missing: the error says why', async () => {
  using scratch = scratchNetns()
  const run = processExec({ netns: scratch.handle })
  const without = (gone: RegExp) =>
    detectVariant({
      netns: scratch.handle,
      exec: async (program, args, input) => await run(gone.test(program) ? `no-${program}` : program, args, input),
    })
  expect(await without(/-nft-/)).toMatchObject({
    variant: 'legacy',
    reason: 'nft does not work: no-iptables-nft-save is not installed',
  })
  expect(await without(/-legacy-/)).toMatchObject({ variant: 'nft' })
  await expect(without(/./)).rejects.toMatchObject({ code: 'IPTABLES_NO_VARIANT' })
})

test('programs: a kill after the time-out, input nobody reads, output and exit code', async () => {
  const hasty = processExec({ timeoutMs: 200 })
  await expect(hasty('sleep', ['600'])).rejects.toMatchObject({ code: 'IPTABLES_TIMEOUT' })
  const unread = await processExec()('sh', ['-c', 'exec 0<&-; echo out; echo err >&2; exit 3'], 'x'.repeat(1 << 20))
  expect(unread).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' })
})
