import { Prefix } from '@margay/net'
import type { FieldError } from './errors.ts'
import type { LabelSelector, NetworkPolicy } from './kubernetes.ts'
import { readLabelSelector } from './label-selector.ts'
import { FieldReader } from './reader.ts'

export type Protocol = 'TCP' | 'UDP' | 'SCTP'
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']
export type Direction = 'ingress' | 'egress'

/** A port of a rule: a whole protocol, one number, a range, or a name that each pod resolves for itself. */
export type PolicyPort =
  | { readonly protocol: Protocol; readonly kind: 'any' }
  | { readonly protocol: Protocol; readonly kind: 'range'; readonly first: number; readonly last: number }
  | { readonly protocol: Protocol; readonly kind: 'named'; readonly name: string }

/** A peer: an address block, or pods. `namespaceSelector` absent means the policy's own namespace. */
export type PolicyPeer =
  | { readonly kind: 'ipBlock'; readonly cidr: Prefix; readonly except: readonly Prefix[] }
  | {
      readonly kind: 'pods'
      readonly namespaceSelector: LabelSelector | undefined
      readonly podSelector: LabelSelector
    }

/** Traffic that matches any port and any peer is allowed. Absent means "any", which no empty list ever does here. */
export interface PolicyRule {
  readonly ports: readonly PolicyPort[] | 'any'
  readonly peers: readonly PolicyPeer[] | 'any'
}

/** A NetworkPolicy with its defaults filled in. A direction that is undefined is one the policy does not isolate. */
export interface ParsedNetworkPolicy {
  readonly namespace: string
  readonly name: string
  readonly podSelector: LabelSelector
  readonly ingress: readonly PolicyRule[] | undefined
  readonly egress: readonly PolicyRule[] | undefined
  /**
   * What was wrong with the object. The API server refuses such objects; should one come through, it fails closed:
   * a part that can't be read allows nothing, and a podSelector that can't be read selects the whole namespace.
   */
  readonly errors: readonly FieldError[]
}

const PORT_NAME = /^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/

/** Reads a networking.k8s.io/v1 NetworkPolicy. Never throws: see {@link ParsedNetworkPolicy.errors}. */
export function parseNetworkPolicy(policy: NetworkPolicy): ParsedNetworkPolicy {
  const errors: FieldError[] = []
  const spec = new FieldReader(policy.spec ?? {}, 'spec', errors)
  const podSelector = readLabelSelector(spec.raw('podSelector') ?? {}, 'spec.podSelector', errors)
  const ingress = readRules(spec, 'ingress')
  const egress = readRules(spec, 'egress')
  const types = readPolicyTypes(spec, egress !== undefined)
  spec.finish()
  return {
    namespace: policy.metadata.namespace ?? '',
    name: policy.metadata.name,
    podSelector: podSelector ?? {},
    ingress: types.includes('Ingress') ? ((podSelector && ingress) ?? []) : undefined,
    egress: types.includes('Egress') ? ((podSelector && egress) ?? []) : undefined,
    errors,
  }
}

/** policyTypes, defaulted as the API documents it: always Ingress, and Egress where there are egress rules. */
function readPolicyTypes(spec: FieldReader, hasEgressRules: boolean): readonly string[] {
  const given = spec.list('policyTypes')
  if (given === undefined || given.length === 0) return hasEgressRules ? ['Ingress', 'Egress'] : ['Ingress']
  const types = given.filter((each): each is string => each === 'Ingress' || each === 'Egress')
  if (types.length === given.length) return types
  spec.fail('policyTypes', 'must hold Ingress or Egress only')
  return ['Ingress', 'Egress']
}

/** @returns undefined where the list is absent; a rule that can't be read is left out. */
function readRules(spec: FieldReader, direction: Direction): PolicyRule[] | undefined {
  const list = spec.list(direction)
  if (list === undefined || list.length === 0) return undefined
  return list.flatMap((value, index) => {
    const rule = readRule(value, `${spec.path(direction)}[${index}]`, direction, spec.errors)
    return rule === undefined ? [] : [rule]
  })
}

function readRule(value: unknown, path: string, direction: Direction, errors: FieldError[]): PolicyRule | undefined {
  const before = errors.length
  const rule = new FieldReader(value, path, errors)
  const peerField = direction === 'ingress' ? 'from' : 'to'
  const ports = rule.list('ports') ?? []
  const peers = rule.list(peerField) ?? []
  rule.finish()
  if (errors.length > before) return undefined
  const goodPorts = ports.map((each, index) => readPort(each, `${path}.ports[${index}]`, errors))
  const goodPeers = peers.map((each, index) => readPeer(each, `${path}.${peerField}[${index}]`, errors))
  // "any" comes from what was written, never from what could be read: an unreadable item allows nothing.
  return {
    ports: ports.length === 0 ? 'any' : goodPorts.filter((each) => each !== undefined),
    peers: peers.length === 0 ? 'any' : goodPeers.filter((each) => each !== undefined),
  }
}

function readPort(value: unknown, path: string, errors: FieldError[]): PolicyPort | undefined {
  const before = errors.length
  const reader = new FieldReader(value, path, errors)
  const protocol = reader.oneOf('protocol', PROTOCOLS) ?? 'TCP'
  const port = reader.raw('port')
  const endPort = reader.integer('endPort', 1, 65535)
  reader.finish()
  if (port === undefined) {
    if (endPort !== undefined) reader.fail('endPort', 'needs a port')
    return errors.length > before ? undefined : { protocol, kind: 'any' }
  }
  if (typeof port === 'string') {
    if (!PORT_NAME.test(port) || port.includes('--')) reader.fail('port', `${JSON.stringify(port)} is not a port name`)
    if (endPort !== undefined) reader.fail('endPort', 'needs a numeric port')
    return errors.length > before ? undefined : { protocol, kind: 'named', name: port }
  }
  const first = reader.integer('port', 1, 65535)
  if (first !== undefined && endPort !== undefined && endPort < first) reader.fail('endPort', 'must not be below port')
  if (errors.length > before || first === undefined) return undefined
  return { protocol, kind: 'range', first, last: endPort ?? first }
}

function readPeer(value: unknown, path: string, errors: FieldError[]): PolicyPeer | undefined {
  const before = errors.length
  const reader = new FieldReader(value, path, errors)
  const selectors = ['podSelector', 'namespaceSelector'].map((name) => {
    const given = reader.raw(name)
    return given === undefined ? undefined : readLabelSelector(given, reader.path(name), errors)
  })
  const [podSelector, namespaceSelector] = selectors
  const block = reader.child('ipBlock')
  reader.finish()
  if (block !== undefined) {
    if (podSelector !== undefined || namespaceSelector !== undefined) {
      reader.fail('ipBlock', 'must not stand beside podSelector or namespaceSelector')
    }
    const ipBlock = readIpBlock(block)
    return errors.length > before ? undefined : ipBlock
  }
  if (errors.length > before) return undefined
  if (podSelector === undefined && namespaceSelector === undefined) {
    errors.push({ field: path, message: 'must have podSelector, namespaceSelector or ipBlock' })
    return undefined
  }
  return { kind: 'pods', namespaceSelector, podSelector: podSelector ?? {} }
}

function readIpBlock(block: FieldReader): PolicyPeer | undefined {
  // Kubernetes takes 10.1.2.3/8 here and means 10.0.0.0/8.
  const text = block.string('cidr')
  const cidr = text === undefined ? undefined : Prefix.tryParse(text)
  if (cidr === undefined) block.fail('cidr', 'must be a CIDR block such as 10.0.0.0/8')
  const except = (block.list('except') ?? []).map((each, index) => {
    const prefix = typeof each === 'string' ? Prefix.tryParse(each) : undefined
    if (prefix === undefined) block.fail(`except[${index}]`, 'must be a CIDR block such as 10.0.0.0/8')
    else if (cidr !== undefined && (!cidr.contains(prefix) || cidr.equals(prefix))) {
      block.fail(`except[${index}]`, `must lie strictly within ${cidr}`)
    }
    return prefix
  })
  block.finish()
  if (cidr === undefined) return undefined
  return { kind: 'ipBlock', cidr, except: except.filter((each) => each !== undefined) }
}
