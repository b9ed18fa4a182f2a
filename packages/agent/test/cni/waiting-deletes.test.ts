import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiError } from '@margay/datastore'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type CniRequest, parseRequest, splitRequest } from '../../src/cni/cni-request.ts'
import { KeyedQueue } from '../../src/cni/keyed-queue.ts'
import { WaitingDeletes } from '../../src/cni/waiting-deletes.ts'

const ATTACHMENT = { containerId: 'abc', ifName: 'eth0' }

class ObservedQueue extends KeyedQueue {
  readonly asked: string[] = []

  override async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.asked.push(key)
    return super.run(key, work)
  }
}

let directory: string
let calls: ObservedQueue
let deleted: string[]
let problem: Error | undefined
let waiting: WaitingDeletes

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'margay-waiting-'))
  calls = new ObservedQueue()
  deleted = []
  problem = undefined
  waiting = new WaitingDeletes({
    directory,
    calls,
    delete: async ({ containerId, ifName }) => {
      if (problem !== undefined) throw problem
      deleted.push(`${containerId} ${ifName}`)
    },
    log: pino({ level: 'silent' }),
  })
})

afterEach(async () => {
  waiting.stop()
  await rm(directory, { recursive: true })
})

function bytesOf(command: string, { containerId, ifName } = ATTACHMENT): Buffer {
  const variables = `CNI_COMMAND=${command}\0CNI_CONTAINERID=${containerId}\0CNI_IFNAME=${ifName}\0CNI_NETNS=/run/netns/x\0`
  return Buffer.from(`${variables}\0{"cniVersion":"1.1.0","name":"margay"}`)
}

function requestOf(bytes: Buffer): CniRequest {
  return parseRequest(splitRequest(bytes))
}

/** As the plugin does that finds no agent. */
async function leaveBehind(attachment = ATTACHMENT): Promise<void> {
  await writeFile(join(directory, `${attachment.containerId}-${attachment.ifName}.del`), bytesOf('DEL', attachment))
}

test('what waits at the start is worked off, and what comes later', async () => {
  await leaveBehind()
  await waiting.start()
  await expect.poll(async () => readdir(directory)).toEqual([])
  await leaveBehind({ containerId: 'def', ifName: 'net1' })
  await expect.poll(async () => readdir(directory)).toEqual([])
  expect(deleted).toEqual(['abc eth0', 'def net1'])
})

test('an ADD finishes the DEL that waits for its attachment, and a pass that had seen it does not do it again', async () => {
  await leaveBehind()
  const addMayBegin = Promise.withResolvers<void>()
  const add = calls.run('abc', async () => {
    await addMayBegin.promise
    await waiting.finish(ATTACHMENT)
    deleted.push('ADD')
  })
  await waiting.start()
  await expect.poll(() => calls.asked).toEqual(['abc', 'abc'])
  addMayBegin.resolve()
  await add
  await leaveBehind({ containerId: 'def', ifName: 'eth0' })
  await expect.poll(() => deleted).toContain('def eth0')
  expect(deleted).toEqual(['abc eth0', 'ADD', 'def eth0'])
})

test('an ADD leaves alone what waits for other interfaces of its container', async () => {
  await leaveBehind({ containerId: 'abc', ifName: 'net1' })
  await waiting.finish(ATTACHMENT)
  expect(deleted).toEqual([])
  expect(await readdir(directory)).toEqual(['abc-net1.del'])
})

test('without the API server a DEL still waits, and an ADD for its attachment is refused', async () => {
  problem = new ApiError(0, undefined, 'no connection')
  await leaveBehind()
  await expect(waiting.finish(ATTACHMENT)).rejects.toBe(problem)
  expect(await readdir(directory)).toEqual(['abc-eth0.del'])
  problem = undefined
  await waiting.finish(ATTACHMENT)
  expect(await readdir(directory)).toEqual([])
})

test('the agent keeps a DEL under the name that the plugin gives it', async () => {
  const bytes = bytesOf('DEL')
  await waiting.keep(requestOf(bytes), bytes)
  expect(await readdir(directory)).toEqual(['abc-eth0.del'])
  await waiting.finish(ATTACHMENT)
  expect(deleted).toEqual(['abc eth0'])
})

test.each([
  ['no request', Buffer.from('x')],
  ['an ADD', bytesOf('ADD')],
  ['a DEL of another attachment', bytesOf('DEL', { containerId: 'abc', ifName: 'net9' })],
])('%s is set aside, and stops neither an ADD nor the others', async (_name, bytes) => {
  await writeFile(join(directory, 'abc-eth0.del'), bytes)
  await waiting.finish(ATTACHMENT)
  await leaveBehind({ containerId: 'def', ifName: 'eth0' })
  await waiting.start()
  await expect.poll(async () => readdir(directory)).toEqual(['abc-eth0.del.bad'])
  expect(deleted).toEqual(['def eth0'])
})
