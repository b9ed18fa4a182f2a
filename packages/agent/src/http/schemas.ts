/** JSON schemas of the HTTP API. What a schema does not name is not sent. */
type Schema = Record<string, unknown>

const text = { type: 'string' }
const flag = { type: 'boolean' }
const whole = { type: 'integer' }
const nullable = (schema: Schema): Schema => ({ ...schema, nullable: true })
const list = (items: Schema): Schema => ({ type: 'array', items })
const object = (properties: Record<string, Schema>): Schema => ({ type: 'object', properties })
const anything = { type: 'object', additionalProperties: true }

export const errorSchema = object({ statusCode: whole, error: text, message: text })

const prefixCounts = object({ received: whole, accepted: whole, advertised: whole, stale: whole, pending: whole })

const bgpPeer = object({
  address: text,
  asn: whole,
  type: { type: 'string', enum: ['iBGP', 'eBGP'] },
  kind: { type: 'string', enum: ['NodeMesh', 'NodePeer', 'GlobalPeer'] },
  state: { type: 'string', enum: ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'] },
  since: { type: 'string', format: 'date-time' },
  uptimeSeconds: nullable(whole),
  routerId: nullable(text),
  localAddress: nullable(text),
  families: list(text),
  prefixes: {
    ...object({ received: whole, accepted: whole, advertised: whole, ipv4: prefixCounts, ipv6: prefixCounts }),
    description: 'All families together, and each',
  },
  lastError: nullable(anything),
  timers: anything,
  capabilities: object({ local: list(anything), remote: list(anything) }),
  messages: anything,
  flaps: whole,
  gracefulRestart: anything,
})

export const bgpPeersSchema = object({
  node: text,
  asn: nullable(whole),
  routerId: nullable(text),
  peers: list(bgpPeer),
})

export const bgpRoutesSchema = object({
  node: text,
  inSync: flag,
  routes: list(
    object({
      prefix: text,
      family: text,
      source: { type: 'string', enum: ['local', 'external', 'internal'] },
      learnedFrom: text,
      nextHops: list(text),
      attributes: anything,
    }),
  ),
})

const direction = object({ isolated: flag, policies: list(text) })

export const endpointsSchema = object({
  node: text,
  endpoints: list(
    object({
      namespace: text,
      pod: text,
      interface: text,
      addresses: list(text),
      mac: text,
      containerId: text,
      netns: text,
      createdAt: text,
      ingress: direction,
      egress: direction,
    }),
  ),
})

const counted = object({ rule: text, packets: whole, bytes: whole })

export const policiesSchema = object({
  node: text,
  policies: list(
    object({
      namespace: text,
      name: text,
      direction: { type: 'string', enum: ['ingress', 'egress'] },
      selects: { ...list(text), description: 'The pods of this node that it selects' },
      chain: text,
      rules: { ...list(counted), description: 'As iptables has them (IPv4), with their counters' },
    }),
  ),
})

export const blocksSchema = object({
  node: text,
  blocks: list(
    object({
      cidr: text,
      affinity: nullable(text),
      size: whole,
      allocated: whole,
      allocations: list(object({ address: text, handle: nullable(text), owner: anything })),
    }),
  ),
})

const verdict = object({
  allowed: flag,
  isolatedBy: list(text),
  allowedBy: list(object({ policy: text, rule: whole })),
  chain: nullable(text),
  denied: nullable(object({ rule: text, packets: whole, bytes: whole })),
})

export const explainSchema = object({ node: text, allowed: flag, summary: text, egress: verdict, ingress: verdict })

export const explainQuery = {
  type: 'object',
  required: ['from', 'to'],
  additionalProperties: false,
  properties: {
    from: { type: 'string', maxLength: 400, description: 'namespace/pod, or an address' },
    to: { type: 'string', maxLength: 400, description: 'namespace/pod, or an address' },
    protocol: { type: 'string', enum: ['TCP', 'UDP', 'SCTP'], default: 'TCP' },
    port: { type: 'integer', minimum: 1, maximum: 65535, default: 80 },
    family: { type: 'integer', enum: [4, 6], default: 4, description: 'IP version, where both ends are pods' },
  },
}

export const syncQuery = {
  type: 'object',
  required: ['resourceVersion'],
  additionalProperties: false,
  properties: {
    resourceVersion: { type: 'string', pattern: '^[0-9]{1,20}$' },
    timeout: { type: 'integer', minimum: 0, maximum: 600000, default: 10000, description: 'milliseconds' },
  },
}

export const syncSchema = object({ resourceVersion: text, programmed: text })
export const healthSchema = object({ status: text, reasons: list(text) })
