import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AddressError } from '@margay/net'
import type { RoutesQuery } from './routes-view.ts'
import type { Speaker } from './speaker.ts'

/** A running endpoint. */
export interface HttpEndpoint {
  /** Where it listens. */
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

type Answer = readonly [status: number, body: unknown]

/**
 * Serves what a speaker knows as JSON, for reading only: `GET /healthz`, `/peers`, and
 * `/routes?prefix=&family=&peer=&limit=`.
 * @throws when the address can't be bound
 */
export async function serveHttp(speaker: Speaker, listen: { host: string; port: number }): Promise<HttpEndpoint> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    const [status, body] = answer(speaker, request)
    send(response, status, body)
  })
  server.maxConnections = 256
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { address, port } = server.address() as AddressInfo
  return {
    address,
    port,
    close: async () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(speaker: Speaker, request: IncomingMessage): Answer {
  if (request.method !== 'GET') return [405, { error: 'only GET is answered' }]
  const url = URL.parse(request.url ?? '/', 'http://speaker')
  if (url === null) return [400, { error: 'bad request target' }]
  switch (url.pathname) {
    case '/healthz':
      return [200, { status: 'ok', asn: speaker.asn, routerId: speaker.routerId }]
    case '/peers':
      return [200, { peers: speaker.peers() }]
    case '/routes':
      return routes(speaker, url.searchParams)
    default:
      return [404, { error: `nothing at ${url.pathname}` }]
  }
}

function routes(speaker: Speaker, parameters: URLSearchParams): Answer {
  const family = parameters.get('family')
  if (family !== null && family !== 'ipv4' && family !== 'ipv6') return [400, { error: 'family is ipv4 or ipv6' }]
  const limit = parameters.get('limit')
  if (limit !== null && !/^[1-9]\d{0,6}$/.test(limit)) return [400, { error: 'limit is a number from 1' }]
  const prefix = parameters.get('prefix')
  const peer = parameters.get('peer')
  const query: RoutesQuery = {
    ...(family === null ? {} : { family }),
    ...(limit === null ? {} : { limit: Number(limit) }),
    ...(prefix === null ? {} : { prefix }),
    ...(peer === null ? {} : { peer }),
  }
  try {
    return [200, speaker.routes(query)]
  } catch (error) {
    if (error instanceof AddressError) return [400, { error: error.message }]
    throw error
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
