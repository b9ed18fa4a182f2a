import { expect, test } from 'vitest'
import { KeyedQueue } from '../../src/cni/keyed-queue.ts'

test('work of one key runs in order, of others side by side, and a failure is its own', async () => {
  const queue = new KeyedQueue()
  const journal: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run('a', async () => {
    await gate.promise
    journal.push('a1')
    throw new Error('a1 failed')
  })
  const second = queue.run('a', () => Promise.resolve(journal.push('a2')))
  await queue.run('b', () => Promise.resolve(journal.push('b')))
  expect(journal).toEqual(['b'])
  gate.resolve()
  await expect(first).rejects.toThrow('a1 failed')
  await second
  expect(journal).toEqual(['b', 'a1', 'a2'])
})
