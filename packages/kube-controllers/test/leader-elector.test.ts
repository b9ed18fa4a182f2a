import { setTimeout as delay } from 'node:timers/promises'
import { ApiError, RESOURCES } from '@margay/datastore'
import { expect, test } from 'vitest'
import { LeaderElector } from '../src/leader-elector.ts'
import { TestApi } from './test-api.ts'

const TIMING = { leaseMs: 1_000, renewMs: 100, deadlineMs: 600 }
const LEASE = { namespace: 'kube-system', name: 'test' }

/** Electors whose reigns are noted. */
class Candidates implements AsyncDisposable {
  readonly leaders = new Set<string>()
  readonly reigns: string[] = []
  mostAtOnce = 0
  readonly #api: TestApi
  readonly #running = new Map<string, { abort: AbortController; done: Promise<void>; elector: LeaderElector }>()

  constructor(api: TestApi) {
    this.#api = api
  }

  add(identity: string, client = this.#api.newClient()): LeaderElector {
    const elector = new LeaderElector({ client, ...LEASE, identity, log: this.#api.log, timing: TIMING })
    const abort = new AbortController()
    const done = elector.run(abort.signal, async (signal) => {
      this.leaders.add(identity)
      this.reigns.push(identity)
      this.mostAtOnce = Math.max(this.mostAtOnce, this.leaders.size)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      this.leaders.delete(identity)
    })
    this.#running.set(identity, { abort, done, elector })
    return elector
  }

  /** Ends without a word, as a process does that is killed. */
  async kill(identity: string): Promise<void> {
    const found = this.#running.get(identity)
    this.#running.delete(identity)
    found?.abort.abort()
    await found?.done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.keys()].map(async (identity) => this.kill(identity)))
  }
}

test('of three one leads; when it dies another does, after the lease has run out; never two at once', async () => {
  await using api = await TestApi.start()
  await using candidates = new Candidates(api)
  for (const identity of ['a', 'b', 'c']) candidates.add(identity)
  await expect.poll(() => candidates.leaders.size).toBe(1)
  await delay(1_500)
  expect(candidates.reigns).toHaveLength(1)
  const [first = ''] = candidates.leaders
  const begin = performance.now()
  await candidates.kill(first)
  await expect.poll(() => candidates.leaders.size, { timeout: 5_000 }).toBe(1)
  expect(performance.now() - begin).toBeGreaterThan(TIMING.leaseMs - TIMING.renewMs * 2)
  expect(candidates.reigns).toHaveLength(2)
  expect(candidates.mostAtOnce).toBe(1)
})

test('a lease that is given up is taken at once', async () => {
  await using api = await TestApi.start()
  await using candidates = new Candidates(api)
  const first = candidates.add('a')
  await expect.poll(() => candidates.leaders.size).toBe(1)
  candidates.add('b')
  await candidates.kill('a')
  const begin = performance.now()
  await first.release()
  await expect.poll(() => [...candidates.leaders]).toEqual(['b'])
  expect(performance.now() - begin).toBeLessThan(TIMING.leaseMs)
})

test('a leader whose renewals hang stops before another begins', async () => {
  await using api = await TestApi.start()
  await using candidates = new Candidates(api)
  const client = api.newClient()
  let hanging = false
  const hung = Promise.withResolvers<never>()
  const find = client.find.bind(client)
  Object.assign(client, { find: async (...args: Parameters<typeof find>) => (hanging ? hung.promise : find(...args)) })
  candidates.add('a', client)
  await expect.poll(() => candidates.leaders.size).toBe(1)
  candidates.add('b')
  hanging = true
  await expect.poll(() => [...candidates.leaders], { timeout: 5_000 }).toEqual(['b'])
  expect(candidates.mostAtOnce).toBe(1)
  hanging = false
  hung.reject(new ApiError(0, undefined, 'the test is over'))
})

test('a leader that finds the lease in other hands stops at once', async () => {
  await using api = await TestApi.start()
  await using candidates = new Candidates(api)
  candidates.add('a')
  await expect.poll(() => candidates.leaders.size).toBe(1)
  const spec = { holderIdentity: 'usurper', leaseDurationSeconds: 1 }
  await api.client.patch(RESOURCES.leases, LEASE, { spec })
  const begin = performance.now()
  await expect.poll(() => candidates.leaders.size, { interval: 10 }).toBe(0)
  expect(performance.now() - begin).toBeLessThan(TIMING.deadlineMs)
})
