import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** How long an answer may hold the event loop before sessions get their turn. */
const BUDGET_MS = 4
/** Pieces are gathered up to about this much. */
const CHUNK_CHARACTERS = 64 * 1024

/**
 * Sends an answer piece by piece: a few milliseconds of work at a time, and no faster than the client reads. Empty pieces
 * only give it a chance to rest. Ends early, without a word, when the client is gone.
 */
export async function sendSliced(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  let chunk = ''
  let since = performance.now()
  /* oxlint-disable no-await-in-loop -- one slice after the other is the point */
  for (const piece of pieces) {
    chunk += piece
    if (chunk.length < CHUNK_CHARACTERS && performance.now() - since < BUDGET_MS) continue
    if (response.destroyed) return
    if (chunk !== '' && !response.write(chunk)) await drained(response)
    chunk = ''
    await nextTurn()
    since = performance.now()
  }
  response.end(chunk)
}

async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.once('drain', done).once('close', done)
  })
}
