import { isDeepStrictEqual } from 'node:util'
import { BgpConfigError } from '../errors.ts'
import type { ResolvedPeer, ResolvedSpeaker } from './config.ts'

/** What a running speaker takes from another configuration; all else is fixed when it is made. */
const CHANGEABLE = new Set<keyof ResolvedSpeaker>(['neighbors', 'networks', 'drain'])

/** How one configuration of a speaker becomes another. */
export interface ConfigurationChange {
  readonly removed: readonly string[]
  readonly changed: readonly ResolvedPeer[]
  readonly added: readonly ResolvedPeer[]
  readonly withdrawn: readonly string[]
  readonly originated: readonly string[]
}

/** @throws {BgpConfigError} naming every changed field that needs a new speaker */
export function configurationChange(before: ResolvedSpeaker, after: ResolvedSpeaker): ConfigurationChange {
  const fields = new Set(Object.keys({ ...before, ...after }) as (keyof ResolvedSpeaker)[])
  const fixed = [...fields].filter((field) => !CHANGEABLE.has(field) && !isDeepStrictEqual(before[field], after[field]))
  if (fixed.length > 0)
    throw new BgpConfigError(fixed.map((field) => ({ field, problem: 'changes only with a new speaker' })))
  const old = new Map(before.neighbors.map((peer) => [peer.address, peer]))
  const kept = new Set(after.neighbors.map((peer) => peer.address))
  return {
    removed: [...old.keys()].filter((address) => !kept.has(address)),
    changed: after.neighbors.filter((peer) => old.has(peer.address) && !isDeepStrictEqual(old.get(peer.address), peer)),
    added: after.neighbors.filter((peer) => !old.has(peer.address)),
    withdrawn: before.networks.filter((prefix) => !after.networks.includes(prefix)),
    originated: after.networks.filter((prefix) => !before.networks.includes(prefix)),
  }
}
