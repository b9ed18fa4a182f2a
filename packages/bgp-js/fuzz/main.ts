import { parseArgs } from 'node:util'
import { type FuzzMode, FuzzRun } from './fuzz-run.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    mode: { type: 'string', default: 'both' },
  },
})
const modes: readonly FuzzMode[] =
  values.mode === 'structure' || values.mode === 'mutation' ? [values.mode] : ['structure', 'mutation']
const PROGRESS_MS = 5000

const verdicts = []
for (const mode of modes) {
  let saidAt = performance.now()
  const startedAt = saidAt
  const verdict = await FuzzRun.run(mode, { messages: Number(values.messages), seed: Number(values.seed) }, (state) => {
    if (performance.now() - saidAt < PROGRESS_MS) return
    saidAt = performance.now()
    const rate = Math.round((state.messages * 1000) / (saidAt - startedAt))
    process.stderr.write(`${mode}: ${state.messages} messages, ${state.sessions} sessions, ${rate} a second\n`)
  })
  verdicts.push(verdict)
}
const isClean = verdicts.every(({ findings }) => findings.length === 0)
process.stdout.write(`${JSON.stringify({ isClean, verdicts }, undefined, 1)}\n`)
process.exitCode = isClean ? 0 : 1
