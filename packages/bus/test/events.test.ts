import { expect, test } from 'vitest'
import { EventTopic } from '../src/events.ts'

test('a reader gets events in order and is told how many it missed', async () => {
  const topic = new EventTopic<number>('t', 4)
  const subscription = topic.subscribe()
  topic.emit(1)
  topic.emit(2)
  expect(await subscription.next()).toEqual({ events: [1, 2], dropped: 0 })
  for (let index = 3; index <= 9; index++) topic.emit(index)
  expect(await subscription.next()).toEqual({ events: [6, 7, 8, 9], dropped: 3 })
})

test('a new reader starts with the next event, or with what the ring holds', async () => {
  const topic = new EventTopic<number>('t', 4)
  topic.emit(1)
  const late = topic.subscribe()
  const backlog = topic.subscribe({ backlog: true })
  topic.emit(2)
  expect(await late.next()).toEqual({ events: [2], dropped: 0 })
  expect(await backlog.next()).toEqual({ events: [1, 2], dropped: 0 })
  const waiting = late.next()
  late.close()
  expect(await waiting).toBeUndefined()
})
