import { BadRequest, cursorText, readParameters, readRoutesRequest } from './http-parameters.ts'
import { METRICS_CONTENT_TYPE } from './metrics-text.ts'
import { ROUTE_TABLES, type RouteCursor } from './routes-view.ts'
import type { Speaker } from './speaker.ts'
import { renderMetrics } from './speaker-metrics.ts'

/** An answer; the body comes in pieces, made while they are sent. */
export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly pieces: Iterable<string>
}

type Handler = (speaker: Speaker, parameters: URLSearchParams) => HttpAnswer

const HANDLERS: Readonly<Record<string, Handler>> = {
  '/healthz': (speaker) => json({ status: 'ok', asn: speaker.asn, routerId: speaker.routerId }),
  '/readyz': (speaker) => readiness(speaker),
  '/peers': (speaker) => inPieces(peersPieces(speaker)),
  '/routes': (speaker, parameters) => routes(speaker, parameters),
  '/explain': (speaker, parameters) => explain(speaker, parameters),
  '/rpki': (speaker) => json({ caches: speaker.views.rpki() }),
  '/bmp': (speaker) => json({ stations: speaker.views.bmp() }),
  '/metrics': (speaker) => ({ status: 200, contentType: METRICS_CONTENT_TYPE, pieces: renderMetrics(speaker) }),
}
const PEER_PATH = /^\/peers\/([^/]+)$/
const TAKES_PARAMETERS = ['/routes', '/explain']

/** @throws {BadRequest} @throws {AddressError} for a prefix that is none */
export function answerRequest(speaker: Speaker, target: string): HttpAnswer {
  const url = URL.parse(target, 'http://speaker')
  if (url === null) throw new BadRequest('bad request target')
  const { pathname, searchParams } = url
  if (!TAKES_PARAMETERS.includes(pathname)) readParameters(searchParams, [])
  const address = PEER_PATH.exec(pathname)?.[1]
  if (address !== undefined) return peer(speaker, address)
  const handler = Object.hasOwn(HANDLERS, pathname) ? HANDLERS[pathname] : undefined
  if (handler === undefined) throw new BadRequest(`nothing at ${pathname}`, 404)
  return handler(speaker, searchParams)
}

function json(body: unknown, status = 200): HttpAnswer {
  return { status, contentType: 'application/json', pieces: [`${JSON.stringify(body)}\n`] }
}

const inPieces = (pieces: Iterable<string>): HttpAnswer => ({ status: 200, contentType: 'application/json', pieces })

/** Ready: routes are chosen and announced, and where there are peers to be up, one of them is. */
function readiness(speaker: Speaker): HttpAnswer {
  const reasons = speaker.views
    .unsettled()
    .map((family) => `${family}: route selection waits for the end of a graceful restart`)
  const { wanted, established } = speaker.views.peerCounts()
  if (wanted > 0 && established === 0) reasons.push(`none of ${wanted} peers is Established`)
  return json({ ready: reasons.length === 0, reasons }, reasons.length === 0 ? 200 : 503)
}

function* peersPieces(speaker: Speaker): Generator<string> {
  let separator = '{"peers":['
  for (const status of speaker.views.peers()) {
    yield `${separator}${JSON.stringify(status)}`
    separator = ','
  }
  yield separator === ',' ? ']}\n' : `${separator}]}\n`
}

function peer(speaker: Speaker, encoded: string): HttpAnswer {
  const address = decoded(encoded)
  const status = address === undefined ? undefined : speaker.peer(address)
  if (status === undefined) throw new BadRequest(`no peer ${encoded.slice(0, 64)}`, 404)
  return json(status)
}

function decoded(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded)
  } catch {
    // Not an address either.
    return undefined
  }
}

function explain(speaker: Speaker, parameters: URLSearchParams): HttpAnswer {
  const { prefix } = readParameters(parameters, ['prefix'])
  if (prefix === undefined) throw new BadRequest('prefix is missing')
  return json(speaker.explain(prefix))
}

function routes(speaker: Speaker, parameters: URLSearchParams): HttpAnswer {
  const { query, limit, after } = readRoutesRequest(parameters)
  const address = query.peer === undefined ? undefined : speaker.views.knownAddress(query.peer)
  if (query.peer !== undefined && address === undefined) throw new BadRequest(`peer: no peer ${query.peer}`)
  const chosen = address === undefined ? query : { ...query, peer: address }
  return inPieces(routePieces(speaker.views.walkRoutes(chosen, after), limit))
}

/** `{"locRib": […], "adjRibIn": […], "adjRibOut": […], "truncated": …, "next": …}`; a prefix is never cut in two. */
function* routePieces(walk: ReturnType<Speaker['views']['walkRoutes']>, limit: number): Generator<string> {
  let opened = 0
  let isFirst = true
  let count = 0
  let last: RouteCursor | undefined
  let next: RouteCursor | undefined
  const open = (): string => `${opened === 0 ? '{' : '],'}"${ROUTE_TABLES[opened++]}":[`
  for (const item of walk) {
    if (item === undefined) {
      yield ''
      continue
    }
    if (count >= limit && last !== undefined && !isSamePlace(last, item.next)) {
      next = last
      break
    }
    while (opened <= ROUTE_TABLES.indexOf(item.table)) {
      yield open()
      isFirst = true
    }
    yield `${isFirst ? '' : ','}${JSON.stringify(item.entry)}`
    isFirst = false
    last = item.next
    count++
  }
  while (opened < ROUTE_TABLES.length) yield open()
  yield `],"truncated":${next !== undefined},"next":${next === undefined ? 'null' : `"${cursorText(next)}"`}}\n`
}

const isSamePlace = (a: RouteCursor, b: RouteCursor): boolean =>
  a.table === b.table && a.family === b.family && a.from === b.from
