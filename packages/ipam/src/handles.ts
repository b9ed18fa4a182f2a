import type { IPAMHandle } from '@margay/model'
import { withRetries } from './retries.ts'
import { handleName, isRace, RECORDS, type RecordStore } from './store.ts'

/** The handle records: which blocks hold addresses of a handle, and how many. */
export class Handles {
  readonly #store: RecordStore

  constructor(store: RecordStore) {
    this.#store = store
  }

  async find(handleId: string): Promise<IPAMHandle | undefined> {
    return this.#store.find(RECORDS.handles, { name: handleName(handleId) })
  }

  /** Counts `change` more addresses in the block; a handle that counts none is deleted. */
  async count(handleId: string, cidr: string, change: number): Promise<void> {
    await withRetries(`handle ${handleId}`, async () => {
      const handle = await this.find(handleId)
      const block = { ...handle?.spec.block }
      const count = (block[cidr] ?? 0) + change
      if (count > 0) block[cidr] = count
      else delete block[cidr]
      await this.#write(handleId, handle, block)
    })
  }

  /** Forgets the handle's count in a block that holds nothing of it. */
  async forget(handleId: string, cidr: string): Promise<void> {
    await withRetries(`handle ${handleId}`, async () => {
      const handle = await this.find(handleId)
      if (handle?.spec.block[cidr] === undefined) return
      const { [cidr]: _, ...block } = handle.spec.block
      await this.#write(handleId, handle, block)
    })
  }

  /** Deletes a record that counts nothing, unless it counts something by now. */
  async drop({ metadata: { name, uid, resourceVersion } }: IPAMHandle): Promise<void> {
    try {
      await this.#store.delete(RECORDS.handles, { name }, { uid, resourceVersion })
    } catch (error) {
      if (!isRace(error)) throw error
    }
  }

  async #write(handleId: string, handle: IPAMHandle | undefined, block: Record<string, number>): Promise<void> {
    const name = handleName(handleId)
    const empty = Object.keys(block).length === 0
    if (handle === undefined) {
      if (!empty) await this.#store.create(RECORDS.handles, { metadata: { name }, spec: { handleID: handleId, block } })
    } else if (empty) {
      const { uid, resourceVersion } = handle.metadata
      await this.#store.delete(RECORDS.handles, { name }, { uid, resourceVersion })
    } else {
      await this.#store.update(RECORDS.handles, { ...handle, spec: { ...handle.spec, block } })
    }
  }
}
