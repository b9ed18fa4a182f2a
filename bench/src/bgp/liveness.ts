import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { summarize } from '../statistics.ts'
import {
  attributeSets,
  type BenchCase,
  bringUp,
  feed,
  introduce,
  peers,
  receive,
  setupOf,
  transfer,
} from './bench-case.ts'
import { HTTP_PORT } from './daemons/margay.ts'

const PROBER = fileURLToPath(new URL('http-prober.ts', import.meta.url))
const [FEEDER, RECEIVER, IDLE] = [0, 1, 2]
const IDLE_HOLD_TIME = 3
const KEEPALIVE_SECONDS = IDLE_HOLD_TIME / 3

/** While a large table streams through: how late keepalives leave to an idle peer, and how fast HTTP answers. */
export function liveness(prefixes: number): BenchCase {
  const sets = attributeSets(prefixes)
  const [feeder, receiver, idlePeer] = peers(3, (id) => 65_001 + id)
  if (feeder === undefined || receiver === undefined || idlePeer === undefined) throw new Error('three peers')
  return {
    name: 'liveness',
    only: ['margay'],
    setup: setupOf([feeder, receiver, { ...idlePeer, silent: true }]),
    measure: async (stage) => {
      introduce(stage, { [IDLE]: IDLE_HOLD_TIME })
      feed(stage, FEEDER, { first: 0, count: prefixes, sets })
      receive(stage, RECEIVER, prefixes, sets)
      await bringUp(stage)
      const prober = startProber(stage.namespace)
      stage.blaster.send('gaps')
      const { seconds } = await transfer(stage, 'announce', prefixes)
      const withdrawn = await transfer(stage, 'withdraw', 0)
      const silence = (await stage.blaster.stats())[IDLE]?.longestSilence ?? Number.NaN
      const http = summarize(await prober.stop())
      return {
        seconds,
        withdrawSeconds: withdrawn.seconds,
        keepaliveDelaySeconds: Math.max(0, silence - KEEPALIVE_SECONDS),
        httpAnswers: http.runs,
        httpP50Ms: http.p50,
        httpP99Ms: http.p99,
        httpMaxMs: http.max,
      }
    },
  }
}

/** Asks for /peers all the time, from inside the speaker's namespace. */
function startProber(namespace: string): { stop(): Promise<number[]> } {
  const url = `http://127.0.0.1:${HTTP_PORT}/peers`
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, PROBER, url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return {
    stop: async () => {
      const closed = once(child, 'close')
      child.stdin.end()
      await closed
      return JSON.parse(output) as number[]
    },
  }
}
