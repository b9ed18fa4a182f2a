// Asks for a URL every 20 ms until stdin ends, then prints how long each answer took, in milliseconds.
import { setTimeout as delay } from 'node:timers/promises'

const PAUSE_MS = 20
const url = process.argv[2] ?? ''
const latencies: number[] = []
let ended = false
process.stdin.resume().on('end', () => {
  ended = true
})
// The first one loads the client itself.
await (await fetch(url)).text()
/* oxlint-disable no-await-in-loop -- one question after the other */
while (!ended) {
  const begin = performance.now()
  const response = await fetch(url)
  await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  latencies.push(performance.now() - begin)
  await delay(PAUSE_MS)
}
process.stdout.write(JSON.stringify(latencies))
