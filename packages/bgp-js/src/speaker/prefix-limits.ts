import type { Family } from '@margay/net'
import type { NotificationFields } from '../errors.ts'
import { afiOf, FAMILIES, familyName, SAFI_UNICAST } from '../wire/address-family.ts'
import { CeaseSubcode, NotificationCode } from '../wire/notification-names.ts'
import type { PrefixLimit, ResolvedPeer } from './config.ts'

/** A limit of prefixes that was crossed. */
export interface LimitCrossing {
  readonly family: Family
  readonly received: number
  readonly limit: PrefixLimit
  readonly level: 'warning' | 'exceeded'
}

const NONE: LimitCrossing[] = []
/** A peer that hovers about its limit is told of at most this often, as long as that costs it nothing. */
const WARN_EVERY_MS = 10_000

/** Watches how many prefixes a peer sends; tells each crossing once, until the number was below again. */
export class PrefixLimits {
  readonly #told: Record<Family, 'none' | LimitCrossing['level']> = { 4: 'none', 6: 'none' }
  readonly #warnedAtMs: Record<Family, number> = { 4: Number.NEGATIVE_INFINITY, 6: Number.NEGATIVE_INFINITY }

  /** @param received prefixes of a family that the peer has announced */
  check(limits: ResolvedPeer['maxPrefixes'], received: (family: Family) => number, nowMs: number): LimitCrossing[] {
    if (limits.ipv4 === undefined && limits.ipv6 === undefined) return NONE
    return FAMILIES.flatMap((family): LimitCrossing[] => {
      const limit = limits[familyName(family)]
      const count = limit === undefined ? 0 : received(family)
      const level = limit === undefined ? 'none' : levelOf(limit, count)
      const before = this.#told[family]
      this.#told[family] = level
      if (limit === undefined || level === 'none' || level === before) return []
      // Back from beyond the limit is no news of its own.
      if (level === 'warning' && before === 'exceeded') return []
      if (level === 'warning' || limit.action === 'warn') {
        if (nowMs - this.#warnedAtMs[family] < WARN_EVERY_MS) {
          this.#told[family] = before
          return []
        }
        this.#warnedAtMs[family] = nowMs
      }
      return [{ family, received: count, limit, level }]
    })
  }

  reset(): void {
    this.#told[4] = 'none'
    this.#told[6] = 'none'
  }
}

function levelOf(limit: PrefixLimit, count: number): 'none' | LimitCrossing['level'] {
  if (count > limit.limit) return 'exceeded'
  return count * 100 >= limit.limit * limit.warnAtPercent ? 'warning' : 'none'
}

/** What logs and events say of it. */
export const crossingFields = (peer: string, { family, received, level, limit }: LimitCrossing) => ({
  peer,
  family: familyName(family),
  level,
  received,
  limit: limit.limit,
})

/** Cease/1 with AFI, SAFI and the limit (RFC 4486 §4). */
export function limitNotification({ family, limit: { limit } }: LimitCrossing): NotificationFields {
  return {
    code: NotificationCode.Cease,
    subcode: CeaseSubcode.MaximumNumberOfPrefixesReached,
    data: Uint8Array.of(0, afiOf(family), SAFI_UNICAST, limit >>> 24, limit >>> 16, limit >>> 8, limit),
  }
}
