import { expect, test } from 'vitest'
import { EventQueue } from '../src/event-queue.ts'

function makeQueue(limit: number): { queue: EventQueue<string>; released: () => number } {
  let released = 0
  const queue = new EventQueue<string>({
    limit,
    overrun: () => 'overrun',
    release: async () => {
      await Promise.resolve()
      released++
    },
  })
  return { queue, released: () => released }
}

test('events come in order, to a reader that waits and to one that comes later', async () => {
  const { queue } = makeQueue(10)
  const waiting = queue.next()
  for (const event of ['a', 'b', 'c']) queue.push(event)
  expect([await waiting, await queue.next(), await queue.next()].map((result) => result.value)).toEqual(['a', 'b', 'c'])
})

test('past the limit all that wait are dropped for one mark', async () => {
  const { queue } = makeQueue(2)
  for (const event of ['a', 'b', 'c', 'd']) queue.push(event)
  expect((await queue.next()).value).toBe('overrun')
  expect((await queue.next()).value).toBe('d')
})

test('the end reaches a waiting reader, releases once, and drops what comes after', async () => {
  const { queue, released } = makeQueue(2)
  const waiting = queue.next()
  await queue.return()
  await queue.return()
  queue.push('late')
  expect(await waiting).toEqual({ value: undefined, done: true })
  expect(await queue.next()).toEqual({ value: undefined, done: true })
  expect(released()).toBe(1)
})

test('a failure comes after what was there before it', async () => {
  const { queue } = makeQueue(2)
  queue.push('a')
  queue.fail(new Error('gone'))
  expect((await queue.next()).value).toBe('a')
  await expect(queue.next()).rejects.toThrow('gone')
})
