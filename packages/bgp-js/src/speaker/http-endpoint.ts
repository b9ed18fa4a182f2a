import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AddressError } from '@margay/net'
import { answerRequest } from './http-answers.ts'
import { BadRequest } from './http-parameters.ts'
import type { Log } from './ports.ts'
import { sendSliced } from './sliced-response.ts'
import type { Speaker } from './speaker.ts'

/** A running endpoint. */
export interface HttpEndpoint {
  /** Where it listens. */
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** Who takes nothing of an answer for so long is cut off. */
const IDLE_MS = 30_000

/**
 * Serves what a speaker knows, for reading only: `/healthz`, `/readyz`, `/peers`, `/peers/ADDRESS`, `/routes`,
 * `/explain`, `/rpki` and `/bmp` as JSON, `/metrics` for Prometheus. Large answers go out in slices.
 * @throws when the address can't be bound
 */
export async function serveHttp(
  speaker: Speaker,
  listen: { host: string; port: number },
  log: Log,
): Promise<HttpEndpoint> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    respond(speaker, request, response).catch((error: unknown) => {
      log.error({ error, url: request.url }, 'an HTTP request could not be answered')
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, { error: 'internal error' })
    })
  })
  server.maxConnections = 256
  server.timeout = IDLE_MS
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

async function respond(speaker: Speaker, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET') {
    response.setHeader('allow', 'GET')
    sendJson(response, 405, { error: 'only GET is answered' })
    return
  }
  try {
    const { status, contentType, pieces } = answerRequest(speaker, request.url ?? '/')
    response.writeHead(status, { 'content-type': contentType })
    await sendSliced(response, pieces)
  } catch (error) {
    if (response.headersSent) throw error
    if (error instanceof BadRequest) sendJson(response, error.status, { error: error.message })
    else if (error instanceof AddressError) sendJson(response, 400, { error: `prefix: ${error.message}` })
    else throw error
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
