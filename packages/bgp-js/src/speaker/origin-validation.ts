import { Prefix, PrefixTrie } from '@margay/net'
import type { ValidationState } from '../policy/policy-route.ts'
import { type RpkiConfig, RpkiValidator } from '../rpki/rpki-validator.ts'
import { routeOriginAs } from '../rpki/vrp-table.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import type { Clock, ClockTimer, Log } from './ports.ts'

/** Changes of the RPKI's data are gathered for so long before routes are judged again. */
const GATHER_MS = 500

/** What the speaker does about changed data: has every route within `covering` judged again. */
export type Revalidate = (isAffected: (prefix: string) => boolean) => void

/** Origin validation (RFC 6811) for the routes of one speaker. */
export class OriginValidation {
  readonly #validator: RpkiValidator
  readonly #localAsn: number
  readonly #clock: Clock
  readonly #revalidate: Revalidate
  #changed = new PrefixTrie<true>()
  #timer: ClockTimer | undefined

  constructor(config: RpkiConfig, speaker: { asn: number; clock: Clock; log: Log }, revalidate: Revalidate) {
    const { clock, log } = speaker
    this.#localAsn = speaker.asn
    this.#clock = clock
    this.#revalidate = revalidate
    this.#validator = new RpkiValidator(config, { clock, log, onChange: (prefixes) => this.#gather(prefixes) })
  }

  start(): void {
    this.#validator.start()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#validator.stop()
  }

  status(): ReturnType<RpkiValidator['status']> {
    return this.#validator.status()
  }

  validate(prefix: string, { asPath }: PathAttributes): ValidationState {
    return this.#validator.validate(Prefix.parse(prefix), routeOriginAs(asPath, this.#localAsn))
  }

  #gather(prefixes: readonly Prefix[]): void {
    for (const prefix of prefixes) this.#changed.set(prefix, true)
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined
      const changed = this.#changed
      this.#changed = new PrefixTrie()
      this.#revalidate((text) => changed.longestMatch(Prefix.parse(text)) !== undefined)
    }, GATHER_MS)
  }
}
