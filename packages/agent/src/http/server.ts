import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { Prefix } from '@margay/net'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { AgentMetrics } from '../metrics.ts'
import type { SyncTracker } from '../sync-tracker.ts'
import type { ExplainQuery, Explanation } from './explain.ts'
import {
  bgpPeersSchema,
  bgpRoutesSchema,
  blocksSchema,
  endpointsSchema,
  errorSchema,
  explainQuery,
  explainSchema,
  healthSchema,
  policiesSchema,
  syncQuery,
  syncSchema,
} from './schemas.ts'

/** What the HTTP API shows. Every method gives plain data in the shape of its schema. */
export interface AgentView {
  bgpPeers(): unknown
  bgpRoutes(prefix: string | undefined): unknown
  endpoints(): unknown
  policies(): Promise<unknown>
  /** @param all the blocks of every node */
  ipamBlocks(all: boolean): Promise<unknown>
  explain(query: ExplainQuery): Promise<Explanation | { readonly unknown: string }>
  readonly nodeName: string
  /** Why the agent is not ready; empty when it is. */
  notReady(): string[]
  /** Why the agent is not alive; empty when it is. */
  notAlive(): string[]
}

export interface ServerDependencies {
  readonly view: AgentView
  readonly sync: SyncTracker
  readonly metrics: AgentMetrics
  readonly log: FastifyBaseLogger
}

/** A request is small: nothing is posted. */
const BODY_LIMIT_OCTETS = 16 * 1024
const REQUEST_TIMEOUT_MS = 10_000

/** Builds the agent's HTTP API; the caller makes it listen. */
export async function buildServer({ view, sync, metrics, log }: ServerDependencies): Promise<FastifyInstance> {
  const server = Fastify({
    loggerInstance: log,
    disableRequestLogging: true,
    bodyLimit: BODY_LIMIT_OCTETS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    // A query that says something unknown gets an error, not an answer to another question.
    ajv: { customOptions: { removeAdditional: false } },
  })
  await server.register(swagger, { openapi: { info: { title: 'Margay agent', version: 'v1' } } })
  await server.register(swaggerUi, { routePrefix: '/docs' })
  const answers = (schema: object): object => ({ 200: schema, '4xx': errorSchema, '5xx': errorSchema })
  const prefixQuery = {
    type: 'object',
    properties: { prefix: { type: 'string', maxLength: 64, description: 'a CIDR block, as the kernel writes it' } },
    additionalProperties: false,
  }
  const allQuery = {
    type: 'object',
    properties: { all: { type: 'boolean', default: false } },
    additionalProperties: false,
  }

  server.get('/api/v1/bgp/peers', { schema: { summary: 'BGP peers', response: answers(bgpPeersSchema) } }, () =>
    view.bgpPeers(),
  )
  server.get<{ Querystring: { prefix?: string } }>(
    '/api/v1/bgp/routes',
    { schema: { summary: 'Best paths', querystring: prefixQuery, response: answers(bgpRoutesSchema) } },
    ({ query: { prefix } }, reply) => {
      const wanted = prefix === undefined ? undefined : Prefix.tryParse(prefix)
      if (prefix === undefined || wanted !== undefined) return view.bgpRoutes(wanted?.toString())
      const message = `querystring/prefix ${JSON.stringify(prefix)} is not a CIDR block`
      return reply.status(400).send({ statusCode: 400, error: 'Bad Request', message })
    },
  )
  server.get(
    '/api/v1/endpoints',
    { schema: { summary: 'Pods of this node', response: answers(endpointsSchema) } },
    () => view.endpoints(),
  )
  server.get(
    '/api/v1/policies',
    { schema: { summary: 'Policies that this node enforces', response: answers(policiesSchema) } },
    () => view.policies(),
  )
  server.get<{ Querystring: { all: boolean } }>(
    '/api/v1/ipam/blocks',
    {
      schema: {
        summary: 'Address blocks of this node, or of all',
        querystring: allQuery,
        response: answers(blocksSchema),
      },
    },
    ({ query }) => view.ipamBlocks(query.all),
  )
  addExplain(server, view)
  addSync(server, sync)
  addHealth(server, view)
  server.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    await reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  return server
}

function addExplain(server: FastifyInstance, view: AgentView): void {
  const schema = {
    summary: 'Whether a connection comes through, and which policy decides',
    querystring: explainQuery,
    response: { 200: explainSchema, '4xx': errorSchema, '5xx': errorSchema },
  }
  server.get<{ Querystring: ExplainQuery }>('/api/v1/explain', { schema }, async ({ query }, reply) => {
    const explanation = await view.explain(query)
    if (!('unknown' in explanation)) return { node: view.nodeName, ...explanation }
    const message = `${JSON.stringify(explanation.unknown)} is neither an address nor a pod (namespace/name) with an IPv${query.family} address`
    return reply.status(404).send({ statusCode: 404, error: 'Not Found', message })
  })
}

function addSync(server: FastifyInstance, sync: SyncTracker): void {
  const schema = {
    summary: 'Waits until every object up to a resourceVersion is programmed in the kernel',
    querystring: syncQuery,
    response: { 200: syncSchema, '4xx': errorSchema, '5xx': errorSchema },
  }
  type Query = { resourceVersion: string; timeout: number }
  server.get<{ Querystring: Query }>('/api/v1/sync', { schema }, async ({ query, raw }, reply) => {
    const gone = new AbortController()
    raw.socket.once('close', () => gone.abort())
    const reached = await sync.wait(BigInt(query.resourceVersion), query.timeout, gone.signal)
    const programmed = String(sync.programmed)
    if (reached) return { resourceVersion: query.resourceVersion, programmed }
    const message = `only resourceVersion ${programmed} is programmed after ${query.timeout} ms`
    return reply.status(504).send({ statusCode: 504, error: 'Gateway Timeout', message })
  })
}

function addHealth(server: FastifyInstance, view: AgentView): void {
  const response = { '2xx': healthSchema, '5xx': healthSchema }
  const probe = (path: string, summary: string, reasonsOf: () => string[]): void => {
    server.get(path, { schema: { summary, response } }, (_request, reply) => {
      const reasons = reasonsOf()
      return reply
        .status(reasons.length === 0 ? 200 : 503)
        .send({ status: reasons.length === 0 ? 'ok' : 'failing', reasons })
    })
  }
  probe('/healthz', 'Liveness', () => view.notAlive())
  probe('/readyz', 'Readiness', () => view.notReady())
}
