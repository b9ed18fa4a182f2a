import { afterAll, beforeAll, describe, test } from 'vitest'
import { DAEMONS } from './dialects.ts'
import { features } from './feature-table.ts'
import { LiveSession } from './live-session.ts'

// One session with each daemon, with everything on that it has; the checks follow each other on it.
describe.for(DAEMONS)('%s', (daemon) => {
  let live: LiveSession
  beforeAll(async () => {
    live = new LiveSession(daemon)
    await live.start()
  })
  afterAll(async () => live[Symbol.asyncDispose]())

  for (const { name, rfc, cells } of features) {
    const cell = cells[daemon]
    if (typeof cell === 'function') test(`${name} (RFC ${rfc})`, async () => cell(live))
    else if ('check' in cell) test(`${name} (RFC ${rfc}): ${cell.why}`, async () => cell.check?.(live))
  }
})
