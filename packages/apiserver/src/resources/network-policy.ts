import { type FieldError, forbiddenField, index, invalidValue, notSupported, required } from '../field-error.ts'
import { type JsonObject, type KubeObject, objectAt, objectsAt, stringsAt } from '../object.ts'
import { isCidr } from '../schema/formats.ts'
import { labelSelectorText } from '../store/selectors.ts'
import { builtinType, objectIn } from './builtin.ts'
import { cidrContains } from './cidr.ts'
import { ageColumn, column, nameColumn } from './columns.ts'
import { labelSelectorErrors } from './metadata.ts'
import { portNameErrors, portNumberErrors } from './names.ts'

/** networking.k8s.io/v1 NetworkPolicy, with the defaults and checks of `pkg/apis/networking`. */
export const networkPolicies = builtinType({
  group: 'networking.k8s.io',
  resource: 'networkpolicies',
  kind: 'NetworkPolicy',
  shortNames: ['netpol'],
  definition: 'io.k8s.api.networking.v1.NetworkPolicy',
  columns: [
    nameColumn,
    column('Pod-Selector', (object) => labelSelectorText(objectAt(object['spec'], 'podSelector'))),
    ageColumn,
  ],
  tracksGeneration: true,
  applyDefaults,
  validate: (object) => validateSpec(objectAt(object, 'spec')),
})

function applyDefaults(object: KubeObject): void {
  const spec = objectIn(object, 'spec')
  spec['podSelector'] ??= {}
  if (stringsAt(spec, 'policyTypes').length === 0) {
    const hasEgress = objectsAt(spec, 'egress').length > 0
    spec['policyTypes'] = hasEgress ? ['Ingress', 'Egress'] : ['Ingress']
  }
  for (const rule of [...objectsAt(spec, 'ingress'), ...objectsAt(spec, 'egress')]) {
    for (const port of objectsAt(rule, 'ports')) port['protocol'] ??= 'TCP'
  }
}

function validateSpec(spec: JsonObject): FieldError[] {
  const errors = labelSelectorErrors(spec['podSelector'], 'spec.podSelector')
  for (const [direction, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    for (const [position, rule] of objectsAt(spec, direction).entries()) {
      errors.push(...ruleErrors(rule, peers, index(`spec.${direction}`, position)))
    }
  }
  const types = stringsAt(spec, 'policyTypes')
  if (types.length > 2) {
    errors.push(invalidValue('spec.policyTypes', types, 'may not specify more than two policyTypes'))
    return errors
  }
  for (const [position, type] of types.entries()) {
    if (type !== 'Ingress' && type !== 'Egress') {
      errors.push(notSupported(index('spec.policyTypes', position), type, ['Ingress', 'Egress']))
    }
  }
  return errors
}

function ruleErrors(rule: JsonObject, peers: 'from' | 'to', field: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [position, port] of objectsAt(rule, 'ports').entries()) {
    errors.push(...portErrors(port, index(`${field}.ports`, position)))
  }
  for (const [position, peer] of objectsAt(rule, peers).entries()) {
    errors.push(...peerErrors(peer, index(`${field}.${peers}`, position)))
  }
  return errors
}

function portErrors({ port, endPort, protocol }: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') {
    errors.push(notSupported(`${field}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']))
  }
  if (port === undefined) {
    if (endPort !== undefined) errors.push(required(`${field}.port`, 'must be specified when endPort is specified'))
  } else if (typeof port === 'number') {
    for (const error of portNumberErrors(port)) errors.push(invalidValue(`${field}.port`, port, error))
    if (typeof endPort === 'number') errors.push(...endPortErrors(port, endPort, field))
  } else {
    for (const error of portNameErrors(typeof port === 'string' ? port : ''))
      errors.push(invalidValue(`${field}.port`, port, error))
    if (endPort !== undefined) {
      errors.push(invalidValue(`${field}.endPort`, endPort, 'must be specified only when port is numeric'))
    }
  }
  return errors
}

function endPortErrors(port: number, endPort: number, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (endPort < port) {
    errors.push(invalidValue(`${field}.endPort`, port, 'must be greater than or equal to `port`'))
  }
  for (const error of portNumberErrors(endPort)) errors.push(invalidValue(`${field}.endPort`, endPort, error))
  return errors
}

function peerErrors(peer: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = []
  const given = ['podSelector', 'namespaceSelector', 'ipBlock'].filter((key) => peer[key] !== undefined)
  if (peer['podSelector'] !== undefined) {
    errors.push(...labelSelectorErrors(peer['podSelector'], `${field}.podSelector`))
  }
  if (peer['namespaceSelector'] !== undefined) {
    errors.push(...labelSelectorErrors(peer['namespaceSelector'], `${field}.namespaceSelector`))
  }
  if (peer['ipBlock'] !== undefined) errors.push(...ipBlockErrors(objectAt(peer, 'ipBlock'), `${field}.ipBlock`))
  if (given.length === 0) errors.push(required(field, 'must specify a peer'))
  else if (given.length > 1 && peer['ipBlock'] !== undefined) {
    errors.push(forbiddenField(field, 'may not specify both ipBlock and another peer'))
  }
  return errors
}

function ipBlockErrors(block: JsonObject, field: string): FieldError[] {
  const cidr = block['cidr']
  // A missing cidr has been reported by the schema.
  if (typeof cidr !== 'string' || cidr === '') return []
  if (!isCidr(cidr)) return [cidrError(`${field}.cidr`, cidr)]
  return stringsAt(block, 'except').flatMap((except, position) => {
    const path = index(`${field}.except`, position)
    if (!isCidr(except)) return [cidrError(path, except)]
    return cidrContains(cidr, except) ? [] : [invalidValue(path, except, `must be a strict subset of \`cidr\``)]
  })
}

function cidrError(field: string, value: string): FieldError {
  return invalidValue(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
}
