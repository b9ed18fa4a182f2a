import { setTimeout as delay } from 'node:timers/promises'
import { IpamError } from './errors.ts'
import { isRace } from './store.ts'

/** As Calico: enough for a thousand nodes that start at once. */
const MAX_TRIES = 100
const MAX_WAIT_MS = 50

/** Runs `attempt` again while it loses races. @throws {IpamError} IPAM_CONTENTION */
export async function withRetries<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!isRace(error)) throw error
      if (tries >= MAX_TRIES) throw new IpamError('IPAM_CONTENTION', `${what}: gave up after ${tries} lost races`)
      // Writers that lost at the same moment must not meet again at the next.
      await delay(Math.random() * Math.min(tries, MAX_WAIT_MS))
    }
  }
}
