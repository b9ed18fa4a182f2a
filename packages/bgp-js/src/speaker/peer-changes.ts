import { isDeepStrictEqual } from 'node:util'
import type { ResolvedPeer } from './config.ts'

/**
 * What a changed field touches:
 * `session`: OPEN carries it, or the peer is another one: the session is made anew;
 * `routes`: policies and what is judged or written per route: applied to what is there;
 * `socket`: an option of the TCP sockets, set on the live one; `keepalive`: our own timer;
 * `limits`: judged again at once; `dial`: the next attempt to connect, nothing else; `bfd`: who watches the path; `none`: read when it is needed.
 */
export type ChangeEffect = 'session' | 'routes' | 'socket' | 'keepalive' | 'limits' | 'dial' | 'bfd' | 'none'

const EFFECTS: Readonly<Record<keyof ResolvedPeer, ChangeEffect>> = {
  address: 'session',
  interface: 'session',
  asn: 'session',
  asnRule: 'session',
  port: 'dial',
  passive: 'dial',
  connectRetry: 'dial',
  sourceAddress: 'dial',
  description: 'none',
  adminDown: 'session',
  drain: 'routes',
  bfd: 'bfd',
  localAs: 'session',
  localAsNoPrepend: 'routes',
  localAsReplace: 'routes',
  removePrivateAs: 'routes',
  holdTime: 'session',
  keepalive: 'keepalive',
  delayOpen: 'none',
  families: 'session',
  addPath: 'session',
  extendedNextHop: 'session',
  role: 'session',
  roleStrict: 'session',
  routeReflectorClient: 'routes',
  nextHopSelf: 'routes',
  nextHopUnchanged: 'routes',
  nextHop: 'routes',
  allowOwnAs: 'routes',
  enforceFirstAs: 'routes',
  maxPrefixes: 'limits',
  gracefulRestart: 'session',
  longLivedGracefulRestart: 'session',
  ttlSecurity: 'socket',
  password: 'socket',
  import: 'routes',
  export: 'routes',
}

/** What has to be done about the difference between two configurations of one peer. */
export function changeEffects(before: ResolvedPeer, after: ResolvedPeer): ReadonlySet<ChangeEffect> {
  const effects = new Set<ChangeEffect>()
  for (const field of Object.keys(EFFECTS) as (keyof ResolvedPeer)[]) {
    if (isDeepStrictEqual(before[field], after[field])) continue
    effects.add(field === 'addPath' && sameOffer(before, after) ? 'routes' : EFFECTS[field])
  }
  return effects
}

/** OPEN says whether several paths are sent, not how many. */
const sameOffer = (before: ResolvedPeer, after: ResolvedPeer): boolean =>
  before.addPath.receive === after.addPath.receive && before.addPath.send > 0 === after.addPath.send > 0
