import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { sendSliced } from '../../src/speaker/sliced-response.ts'

/** Has one request answered by `respond`. */
async function ask(respond: (response: ServerResponse) => void): Promise<{
  response: IncomingMessage
  [Symbol.dispose](): void
}> {
  const server = createServer((_, response) => respond(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const request = get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return {
    response,
    [Symbol.dispose]: () => {
      response.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}

test('others get their turn while a long answer is made', async () => {
  let turns = 0
  const longestStretch = { pieces: 0, turn: 0, current: 0 }
  function* pieces(): Generator<string> {
    for (let index = 0; index < 60; index++) {
      const until = performance.now() + 1
      while (performance.now() < until);
      if (longestStretch.turn !== turns) longestStretch.current = 0
      longestStretch.turn = turns
      longestStretch.pieces = Math.max(longestStretch.pieces, ++longestStretch.current)
      yield 'x'
    }
  }
  let done = false
  const count = (): void => {
    turns++
    if (!done) setImmediate(count)
  }
  using asked = await ask((response) => {
    setImmediate(count)
    void sendSliced(response, pieces()).finally(() => {
      done = true
    })
  })
  expect((await asked.response.toArray()).join('')).toBe('x'.repeat(60))
  expect(longestStretch.pieces).toBeLessThanOrEqual(6)
})

test('an answer is made no faster than it is read, and no further when the client is gone', async () => {
  let made = 0
  function* pieces(): Generator<string> {
    for (;;) {
      made++
      yield 'x'.repeat(64 * 1024)
    }
  }
  let ended: Promise<void> | undefined
  using asked = await ask((response) => {
    ended = sendSliced(response, pieces())
  })
  let before = -1
  // Turns of the event loop go by; once the buffers are full, nothing is made any more.
  for (let still = 0; still < 200; still = made === before ? still + 1 : 0) {
    before = made
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(made).toBeLessThan(1000)
  asked.response.destroy()
  await ended
})
