import type { AdjRibInView, AdjRibOutView, LocRibView, PeerDetail, PeerStatus, RouteExplanation } from 'bgp-js'
import { UsageError } from '../usage-error.ts'

/** One part of `/routes`. */
export interface RoutesPage {
  readonly locRib: readonly LocRibView[]
  readonly adjRibIn: readonly AdjRibInView[]
  readonly adjRibOut: readonly AdjRibOutView[]
  /** Where to go on; null at the end. */
  readonly next: string | null
}

const TIMEOUT_MS = 60_000

/** Asks a running speaker over HTTP. Every method throws an Error with a message for people. */
export class SpeakerClient {
  readonly #base: string

  /** @throws {UsageError} for a URL that is none */
  constructor(url: string) {
    const parsed = URL.parse(url)
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw new UsageError(`not an HTTP URL: ${url}`)
    this.#base = parsed.href.replace(/\/$/, '')
  }

  async speaker(): Promise<{ readonly asn: number; readonly routerId: string }> {
    return this.#get('/healthz')
  }

  async peers(): Promise<readonly PeerStatus[]> {
    return (await this.#get<{ peers: PeerStatus[] }>('/peers')).peers
  }

  async peer(address: string): Promise<PeerDetail> {
    return this.#get(`/peers/${encodeURIComponent(address)}`)
  }

  /** Page by page, so that a large table takes little memory. */
  async *routes(query: Readonly<Record<string, string>>): AsyncGenerator<RoutesPage> {
    let after: string | null = null
    do {
      const parameters = new URLSearchParams({ ...query, ...(after === null ? {} : { after }) })
      // oxlint-disable-next-line no-await-in-loop -- each page says where the next one is
      const page: RoutesPage = await this.#get(`/routes?${parameters}`)
      yield page
      after = page.next
    } while (after !== null)
  }

  async explain(prefix: string): Promise<RouteExplanation> {
    return this.#get(`/explain?${new URLSearchParams({ prefix })}`)
  }

  async #get<T>(path: string): Promise<T> {
    let response: Response
    try {
      response = await fetch(`${this.#base}${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    } catch (error) {
      const hint = 'is `margay bgp run` there, with "http" in its configuration?'
      throw new Error(`no speaker answers at ${this.#base} (${reasonOf(error)}): ${hint}`, { cause: error })
    }
    const body: unknown = await response.json().catch(() => undefined)
    if (response.ok && body !== undefined) return body as T
    const message = (body as { error?: string } | undefined)?.error ?? `${this.#base}${path}: ${response.status}`
    throw response.status === 400 ? new UsageError(message) : new Error(message)
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? message
}
