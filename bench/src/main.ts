/**
 * Benchmarks: `npm run bench [-- NAME …]`. Each prints one JSON object on stdout. These are figures of one machine at
 * one time: compare the ratios with the peer that ran beside, not the absolute values.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { benchBgp } from './bgp/bench-bgp.ts'
import { benchCni } from './cni.ts'
import { benchPolicy } from './policy.ts'
import { benchRoutes } from './routes.ts'

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string' },
    only: { type: 'string' },
    case: { type: 'string' },
    prefixes: { type: 'string' },
  },
})

const BENCHES: Record<string, () => Promise<object>> = {
  policy: benchPolicy,
  cni: benchCni,
  routes: benchRoutes,
  bgp: async () => benchBgp(options),
}

// So that what a benchmark has made is removed on Ctrl-C too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) {
  const bench = BENCHES[name]
  if (bench === undefined) {
    process.stderr.write(`no benchmark ${name}: there are ${Object.keys(BENCHES).join(', ')}\n`)
    process.exitCode = 2
    continue
  }
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, node: process.version }
  process.stdout.write(`${JSON.stringify({ bench: name, machine, ...(await bench()) })}\n`)
}
