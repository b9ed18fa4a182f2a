import type { AdjRibIn } from '../rib/adj-rib-in.ts'
import type { AttributeStore } from '../rib/attribute-store.ts'
import type { FamilyRib } from '../rib/loc-rib.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import { encodeRouteAttributes } from '../wire/attribute-encoder.ts'
import { MAX_MESSAGE_OCTETS } from '../wire/header.ts'
import { UpdatePacker } from '../wire/update-packer.ts'

/** Which attributes of a peer's routes: as they came, or as import policy left them. */
export type TableSide = 'pre' | 'post'

/** Prefixes in one UPDATE at most; the message is read while the table changes. */
const BATCH = 256

/**
 * A peer's table as the UPDATEs that would bring it about, path identifiers where the session has them. It may be read
 * while time passes: paths that come meanwhile may be in it or not.
 */
export function* tableUpdates(
  rib: FamilyRib,
  table: AdjRibIn,
  options: { readonly side: TableSide; readonly store: AttributeStore; readonly wire: WireSession },
): Generator<Uint8Array> {
  const { side, store, wire } = options
  const ids = side === 'pre' ? (path: number) => rib.paths.received[path] : (path: number) => rib.paths.accepted[path]
  const hasPathIds = wire.addPath?.receive.includes(rib.family) === true
  const walk = table.walk()
  for (let path = table.step(walk); path !== 0; ) {
    const id = ids(path) as number
    if (id === 0) {
      path = table.step(walk)
      continue
    }
    const packer = new UpdatePacker(MAX_MESSAGE_OCTETS * 16)
    const start = encodeRouteAttributes(store.get(id).attributes, rib.family, { ...wire, internal: true })
    packer.announce(rib.family, start)
    for (let count = 0; count < BATCH && path !== 0 && ids(path) === id; count++) {
      const prefix = rib.paths.prefix[path] as number
      const length = rib.prefixes.nlriLength(prefix)
      let at = packer.reserve(hasPathIds ? length + 4 : length) as number
      if (hasPathIds) at = packer.bytes.writeUInt32BE(rib.paths.pathId[path] as number, at)
      rib.prefixes.writeNlri(prefix, packer.bytes, at)
      path = table.step(walk)
    }
    yield* packer.finish().messages()
  }
}
