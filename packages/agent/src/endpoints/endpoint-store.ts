import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Address } from '@margay/net'
import type { Logger } from 'pino'
import { AgentError } from '../errors.ts'
import type { LocalEndpoint } from './local-endpoint.ts'

/**
 * The endpoints of this node, on disk: a restarted agent knows its pods before it has heard from anyone. One file per
 * attachment, replaced atomically. A file that can't be read is set aside and reported, and the others serve.
 */
export class EndpointStore {
  readonly #directory: string
  readonly #log: Logger
  readonly #endpoints = new Map<string, LocalEndpoint>()

  constructor(stateDirectory: string, log: Logger) {
    this.#directory = join(stateDirectory, 'endpoints')
    this.#log = log
  }

  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    for (const file of await readdir(this.#directory)) {
      if (!file.endsWith('.json')) continue
      const path = join(this.#directory, file)
      try {
        const endpoint = parseRecord(await readFile(path, 'utf8'))
        this.#endpoints.set(attachmentId(endpoint), endpoint)
      } catch (error) {
        this.#log.error({ path, error: String(error) }, 'an endpoint record cannot be read: set aside')
        await rename(path, `${path}.bad`)
      }
    }
  }

  get(containerId: string, ifName: string): LocalEndpoint | undefined {
    return this.#endpoints.get(attachmentId({ containerId, ifName }))
  }

  /** The oldest first: of two that have one interface (a pod of the same name came before its DEL) the newer is right. */
  values(): LocalEndpoint[] {
    return [...this.#endpoints.values()].toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
  }

  /** Resolves when the record is on disk. */
  async put(endpoint: LocalEndpoint): Promise<void> {
    const path = this.#path(endpoint)
    await using file = await open(`${path}.new`, 'w', 0o600)
    await file.writeFile(JSON.stringify(endpoint))
    await file.sync()
    await rename(`${path}.new`, path)
    this.#endpoints.set(attachmentId(endpoint), endpoint)
  }

  async delete(endpoint: Pick<LocalEndpoint, 'containerId' | 'ifName'>): Promise<void> {
    this.#endpoints.delete(attachmentId(endpoint))
    await rm(this.#path(endpoint), { force: true })
  }

  #path(endpoint: Pick<LocalEndpoint, 'containerId' | 'ifName'>): string {
    return join(this.#directory, `${encodeURIComponent(attachmentId(endpoint))}.json`)
  }
}

function attachmentId({ containerId, ifName }: Pick<LocalEndpoint, 'containerId' | 'ifName'>): string {
  return `${containerId}-${ifName}`
}

const TEXT_FIELDS = [
  'containerId',
  'ifName',
  'netns',
  'namespace',
  'pod',
  'interfaceName',
  'mac',
  'handleId',
  'createdAt',
]

function parseRecord(text: string): LocalEndpoint {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new AgentError('AGENT_BAD_RECORD', 'must be an object')
  const record = value as Record<string, unknown>
  for (const field of TEXT_FIELDS) {
    if (typeof record[field] !== 'string') throw new AgentError('AGENT_BAD_RECORD', `${field} must be a string`)
  }
  const { addresses } = record
  const isAddress = (each: unknown): boolean => typeof each === 'string' && Address.tryParse(each) !== undefined
  if (!Array.isArray(addresses) || !addresses.every(isAddress)) {
    throw new AgentError('AGENT_BAD_RECORD', 'addresses must be a list of addresses')
  }
  return record as unknown as LocalEndpoint
}
