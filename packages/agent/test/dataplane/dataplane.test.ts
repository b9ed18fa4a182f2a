import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Dataplane, type Driver, PartialFailure } from '../../src/dataplane/dataplane.ts'

/** A driver that notes its runs and fails as told. */
class FakeDriver implements Driver {
  readonly name: string
  readonly critical: boolean
  readonly failures: Error[] = []
  runs = 0
  readonly #journal: string[]

  constructor(name: string, critical: boolean, journal: string[]) {
    this.name = name
    this.critical = critical
    this.#journal = journal
  }

  nextRun(): number {
    return Number.POSITIVE_INFINITY
  }

  apply(): Promise<void> {
    this.runs++
    this.#journal.push(this.name)
    const failure = this.failures.shift()
    return failure === undefined ? Promise.resolve() : Promise.reject(failure)
  }
}

let journal: string[]
let failed: string[]
let fatal: Error[]
let sets: FakeDriver
let table: FakeDriver
let routes: FakeDriver
let dataplane: Dataplane
let running: Promise<void>

beforeEach(() => {
  journal = []
  failed = []
  fatal = []
  sets = new FakeDriver('sets', true, journal)
  table = new FakeDriver('table', true, journal)
  routes = new FakeDriver('routes', false, journal)
  dataplane = new Dataplane({
    drivers: [sets, table, routes],
    log: pino({ enabled: false }),
    metrics: { applied: () => undefined, failed: (driver) => void failed.push(driver) },
    onFatal: (error) => void fatal.push(error),
  })
  running = dataplane.run()
})

afterEach(async () => {
  dataplane.stop()
  await running
})

/** The changes of one turn, then a run. */
async function program(change: () => void = () => undefined): Promise<void> {
  await dataplane.submit(change).programmed
}

test('nothing is programmed before start, though changes are made', async () => {
  const { handled } = dataplane.submit(() => journal.push('change'))
  await handled
  expect(journal).toEqual(['change'])
})

test('changes are made in order and before the drivers run in theirs', async () => {
  dataplane.start()
  await program()
  journal.length = 0
  void dataplane.submit(() => journal.push('first'))
  await program(() => journal.push('second'))
  expect(journal).toEqual(['first', 'second', 'sets', 'table', 'routes'])
})

test('a change that throws is its own affair', async () => {
  dataplane.start()
  const bad = dataplane.submit(() => {
    throw new Error('bad object')
  })
  const good = dataplane.submit(() => journal.push('good'))
  await expect(bad.handled).rejects.toThrow('bad object')
  await expect(bad.programmed).rejects.toThrow('bad object')
  await good.programmed
  expect(journal).toContain('good')
  expect(failed).toEqual(['change'])
})

test('a change that throws and that nobody waits for harms nothing', async () => {
  dataplane.start()
  void dataplane.submit(() => {
    throw new Error('bad object')
  })
  await program()
  expect(sets.runs).toBe(1)
})

test('what comes after a critical driver waits until it has succeeded', async () => {
  sets.failures.push(new Error('busy'), new Error('busy'))
  dataplane.start()
  await program()
  expect(journal).toEqual(['sets', 'sets', 'sets', 'table', 'routes'])
  expect(dataplane.lastError).toBeUndefined()
  expect(failed).toEqual(['sets', 'sets'])
})

test('what the kernel refuses in part holds up nobody, is told, and is tried again', async () => {
  table.failures.push(new PartialFailure([new Error('x')], 'one chain is refused'))
  dataplane.start()
  await program()
  expect(journal).toEqual(['sets', 'table', 'routes'])
  expect(dataplane.lastError?.message).toBe('one chain is refused')
  expect(dataplane.blockedBy).toBeUndefined()
  await expect.poll(() => dataplane.lastError).toBeUndefined()
  expect(table.runs).toBe(2)
})

test('a driver that is not critical fails alone, and is tried again', async () => {
  routes.failures.push(new Error('no such gateway'))
  dataplane.start()
  await program()
  expect(dataplane.lastError).toBeUndefined()
  await expect.poll(() => routes.runs).toBe(2)
})

test('a critical driver that never succeeds ends the process, and a partial failure never does', async () => {
  const endless = new Dataplane({
    drivers: [{ name: 'x', critical: true, apply: () => Promise.reject(new Error('no iptables')) }],
    log: pino({ enabled: false }),
    metrics: { applied: () => undefined, failed: () => undefined },
    onFatal: (error) => void fatal.push(error),
  })
  endless.start()
  // Every change cuts the wait for the next try short.
  const work = endless.run()
  const partial = Array.from({ length: 30 }, () => new PartialFailure([], 'partial'))
  table.failures.push(...partial)
  dataplane.start()
  for (let tries = 0; tries < 30; tries++) {
    const { handled } = endless.submit(() => undefined)
    await handled
    await program()
  }
  await expect.poll(() => fatal.map(({ message }) => message)[0]).toBe('no iptables')
  expect(fatal.every(({ message }) => message === 'no iptables')).toBe(true)
  expect(endless.blockedBy?.message).toBe('no iptables')
  endless.stop()
  await work
})
