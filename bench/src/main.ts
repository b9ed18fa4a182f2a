/**
 * Benchmarks: `npm run bench [-- NAME …]`. Each prints one JSON object on stdout. These are figures of one machine at
 * one time: compare the ratios with the peer that ran beside, not the absolute values.
 */
import { cpus } from 'node:os'
import { benchCni } from './cni.ts'
import { benchPolicy } from './policy.ts'
import { benchRoutes } from './routes.ts'

const BENCHES: Record<string, () => Promise<object>> = { policy: benchPolicy, cni: benchCni, routes: benchRoutes }

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'))
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
