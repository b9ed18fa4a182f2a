import { BgpMessageError } from '../src/errors.ts'
import { negotiate } from '../src/fsm/negotiation.ts'
import { AttributeStore } from '../src/rib/attribute-store.ts'
import type { WireSession } from '../src/wire/attribute-codec.ts'
import type { Capability } from '../src/wire/capabilities/capability.ts'
import { MessageFramer } from '../src/wire/framing.ts'
import { decodeMessage } from '../src/wire/message.ts'
import { prefixText } from '../src/wire/prefix-key.ts'
import { resolveUpdate } from '../src/wire/resolve-update.ts'
import { addressHex } from './octets.ts'
import type { TwinOwnEnd } from './twin-session.ts'

/** What the speaker's own codec makes of a stream, without sockets: next hops by prefix, and how the session ends. */
export class CodecHarness {
  /** As the keys of the twin's table. */
  readonly table = new Map<string, string>()
  ended: string | undefined
  readonly #own: TwinOwnEnd
  readonly #framer = new MessageFramer()
  readonly #store = new AttributeStore()
  #wire: WireSession | undefined
  #families: readonly (4 | 6)[] = []
  #isUp = false

  constructor(own: TwinOwnEnd) {
    this.#own = own
  }

  feed(octets: Uint8Array): void {
    if (this.ended !== undefined) return
    this.#framer.push(octets)
    try {
      for (let next = this.#framer.next(); next !== undefined && this.ended === undefined; next = this.#framer.next()) {
        this.#take(next)
      }
    } catch (error) {
      if (!(error instanceof BgpMessageError)) throw error
      this.ended = `${error.notification.code}/${error.notification.subcode}`
    }
  }

  #take(octets: Uint8Array): void {
    const message = decodeMessage(octets, this.#wire ?? { fourOctetAs: false, internal: false })
    if (message.type === 'notification') {
      this.ended = 'peer'
    } else if (this.#wire === undefined) {
      if (message.type !== 'open') {
        this.ended = '5/1'
        return
      }
      const { asn, peerAsn, routerId } = this.#own
      const local = {
        asn,
        peerAsn: peerAsn === 'any' ? ('external' as const) : peerAsn,
        routerId: [0, 2, 4, 6].map((at) => Number.parseInt(routerId.slice(at, at + 2), 16)).join('.'),
        holdTimeSeconds: 90,
        keepaliveSeconds: undefined,
        capabilities: this.#capabilities(),
      }
      const negotiated = negotiate(local, message)
      this.#wire = negotiated.wire
      this.#families = negotiated.families
      this.#framer.maxOctets = negotiated.maxOctets
    } else if (!this.#isUp) {
      if (message.type === 'keepalive') this.#isUp = true
      else this.ended = '5/2'
    } else if (message.type === 'open') {
      this.ended = '5/3'
    } else if (message.type === 'update') {
      const update = resolveUpdate(message, this.#wire, this.#families, this.#store)
      const keys = (nlri: (typeof update.withdrawn)[number]['nlri']): string[] =>
        nlri.entries.map(({ key, pathId }) => {
          const [address = '', length = ''] = prefixText(key).split('/')
          const path = pathId.toString(16).padStart(8, '0')
          return `${address.includes(':') ? 2 : 1} ${addressHex(address)}/${length} ${path}`
        })
      for (const { nlri } of update.withdrawn) for (const key of keys(nlri)) this.table.delete(key)
      for (const { nlri, attributes } of update.announced) {
        for (const key of keys(nlri)) this.table.set(key, addressHex(attributes.attributes.nextHop))
      }
    }
  }

  #capabilities(): Capability[] {
    const { asn, receivesPaths, extendedNextHop } = this.#own
    const list: Capability[] = [
      { name: 'multiprotocol', family: 4 },
      { name: 'multiprotocol', family: 6 },
      { name: 'extendedMessages' },
      { name: 'fourOctetAs', asn },
    ]
    const families = ([4, 6] as const).map((family) => ({ family, send: true, receive: true }))
    if (receivesPaths) list.push({ name: 'addPath', families })
    if (extendedNextHop) list.push({ name: 'extendedNextHop', ipv4OverIpv6: true })
    return list
  }
}
