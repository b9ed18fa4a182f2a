import { isIP } from 'node:net'
import { duplicate, type FieldError, index, invalidValue, required } from '../field-error.ts'
import { type JsonObject, type KubeObject, objectAt, objectsAt, stringAt, stringsAt } from '../object.ts'
import { builtinType, objectIn, setDefault } from './builtin.ts'
import { ageColumn, ageOf, column, nameColumn, textOr } from './columns.ts'
import { labelErrors } from './metadata.ts'
import { dns1035LabelErrors, dnsLabelErrors, dnsSubdomainErrors, portNameErrors, portNumberErrors } from './names.ts'

/** v1 Service. Cluster IPs and node ports are given out by the API layer. */
export const services = builtinType({
  resource: 'services',
  kind: 'Service',
  shortNames: ['svc'],
  categories: ['all'],
  definition: 'io.k8s.api.core.v1.Service',
  hasStatus: true,
  nameErrors: dns1035LabelErrors,
  columns: [
    nameColumn,
    column('Type', (service) => textOr(objectAt(service, 'spec')['type'], '<none>')),
    column('Cluster-IP', (service) => textOr(objectAt(service, 'spec')['clusterIP'], '<none>')),
    column('External-IP', externalIpText),
    column('Port(s)', portsText),
    ageColumn,
    column('Selector', (service) => selectorText(objectAt(service['spec'], 'selector')), 1),
  ],
  selectableFields: {
    'spec.clusterIP': (service) => stringAt(service['spec'], 'clusterIP'),
    'spec.type': (service) => stringAt(service['spec'], 'type'),
  },
  applyDefaults,
  validate: serviceErrors,
})

function applyDefaults(service: KubeObject): void {
  const spec = objectIn(service, 'spec')
  setDefault(spec, 'sessionAffinity', 'None')
  setDefault(spec, 'type', 'ClusterIP')
  const type = spec['type']
  if (type !== 'ExternalName') setDefault(spec, 'internalTrafficPolicy', 'Cluster')
  if (type === 'NodePort' || type === 'LoadBalancer') setDefault(spec, 'externalTrafficPolicy', 'Cluster')
  if (type === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true)
  if (spec['sessionAffinity'] === 'ClientIP') {
    const clientIp = objectIn(objectIn(spec, 'sessionAffinityConfig'), 'clientIP')
    setDefault(clientIp, 'timeoutSeconds', 10_800)
  }
  for (const port of objectsAt(spec, 'ports')) {
    setDefault(port, 'protocol', 'TCP')
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '') {
      port['targetPort'] = port['port']
    }
  }
  service['status'] ??= { loadBalancer: {} }
}

function serviceErrors(service: KubeObject, old?: KubeObject): FieldError[] {
  const spec = objectAt(service, 'spec')
  const errors = portListErrors(spec)
  errors.push(...labelErrors(objectAt(spec, 'selector') as Record<string, string>, 'spec.selector'))
  const type = stringAt(spec, 'type')
  if (type === 'ExternalName') {
    const name = stringAt(spec, 'externalName').replace(/\.$/, '')
    if (name === '') errors.push(required('spec.externalName'))
    else for (const error of dnsSubdomainErrors(name)) errors.push(invalidValue('spec.externalName', name, error))
  } else if (objectsAt(spec, 'ports').length === 0 && stringAt(spec, 'clusterIP') !== 'None') {
    errors.push(required('spec.ports'))
  }
  const clusterIp = stringAt(spec, 'clusterIP')
  if (clusterIp !== '' && clusterIp !== 'None' && isIP(clusterIp) === 0) {
    errors.push(
      invalidValue('spec.clusterIPs[0]', clusterIp, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
    )
  }
  for (const [position, address] of stringsAt(spec, 'externalIPs').entries()) {
    if (isIP(address) === 0) {
      errors.push(invalidValue(index('spec.externalIPs', position), address, 'must be a valid IP address'))
    }
  }
  const before = stringAt(old?.['spec'], 'clusterIP')
  if (before !== '' && before !== clusterIp && type !== 'ExternalName' && stringAt(old?.['spec'], 'type') === type) {
    errors.push(invalidValue('spec.clusterIPs[0]', clusterIp, 'may not change once set'))
  }
  return errors
}

function portListErrors(spec: JsonObject): FieldError[] {
  const errors: FieldError[] = []
  const ports = objectsAt(spec, 'ports')
  const names = new Set<string>()
  const numbers = new Set<string>()
  for (const [position, port] of ports.entries()) {
    const field = index('spec.ports', position)
    const name = stringAt(port, 'name')
    if (name === '' && ports.length > 1) errors.push(required(`${field}.name`))
    if (name !== '') for (const error of dnsLabelErrors(name)) errors.push(invalidValue(`${field}.name`, name, error))
    if (name !== '' && names.has(name)) errors.push(duplicate(`${field}.name`, name))
    names.add(name)
    const number = port['port']
    if (typeof number === 'number') {
      for (const error of portNumberErrors(number)) errors.push(invalidValue(`${field}.port`, number, error))
    }
    const target = port['targetPort']
    if (typeof target === 'number') {
      for (const error of portNumberErrors(target)) errors.push(invalidValue(`${field}.targetPort`, target, error))
    } else if (typeof target === 'string') {
      for (const error of portNameErrors(target)) errors.push(invalidValue(`${field}.targetPort`, target, error))
    }
    const key = `${String(port['protocol'])}/${String(number)}`
    if (numbers.has(key)) errors.push(duplicate(field, { port: number, protocol: port['protocol'] }))
    numbers.add(key)
  }
  return errors
}

function externalIpText(service: KubeObject): string {
  const spec = objectAt(service, 'spec')
  const external = stringsAt(spec, 'externalIPs')
  switch (spec['type']) {
    case 'ExternalName':
      return stringAt(spec, 'externalName')
    case 'LoadBalancer': {
      const ingress = objectsAt(objectAt(service['status'], 'loadBalancer'), 'ingress')
      const addresses = [...ingress.map((one) => stringAt(one, 'ip') || stringAt(one, 'hostname')), ...external]
      return addresses.length === 0 ? '<pending>' : addresses.join(',')
    }
    default:
      return external.length === 0 ? '<none>' : external.join(',')
  }
}

function portsText(service: KubeObject): string {
  const ports = objectsAt(service['spec'], 'ports').map((port) => {
    const nodePort = typeof port['nodePort'] === 'number' && port['nodePort'] > 0 ? `:${port['nodePort']}` : ''
    return `${String(port['port'])}${nodePort}/${String(port['protocol'])}`
  })
  return ports.length === 0 ? '<none>' : ports.join(',')
}

/** Labels as `a=b,c=d`; `<none>` when there are none. */
export function selectorText(labels: JsonObject): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`)
  return parts.length === 0 ? '<none>' : parts.toSorted().join(',')
}

function endpointsText(subsets: JsonObject[]): string {
  const all = subsets.flatMap((subset) => {
    const addresses = objectsAt(subset, 'addresses').map((address) => stringAt(address, 'ip'))
    const ports = objectsAt(subset, 'ports')
    if (ports.length === 0) return addresses
    return ports.flatMap((port) =>
      addresses.map((ip) => `${ip.includes(':') ? `[${ip}]` : ip}:${String(port['port'])}`),
    )
  })
  return shortList(all)
}

function shortList(items: string[]): string {
  if (items.length === 0) return '<none>'
  return items.length <= 3 ? items.join(',') : `${items.slice(0, 3).join(',')} + ${items.length - 3} more...`
}

/** v1 Endpoints. */
export const endpoints = builtinType({
  resource: 'endpoints',
  kind: 'Endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  definition: 'io.k8s.api.core.v1.Endpoints',
  columns: [nameColumn, column('Endpoints', (object) => endpointsText(objectsAt(object, 'subsets'))), ageColumn],
  applyDefaults: (object) => {
    for (const port of objectsAt(object, 'subsets').flatMap((subset) => objectsAt(subset, 'ports'))) {
      setDefault(port, 'protocol', 'TCP')
    }
  },
  validate: (object) =>
    objectsAt(object, 'subsets').flatMap((subset, position) =>
      ['addresses', 'notReadyAddresses'].flatMap((list) =>
        objectsAt(subset, list).flatMap((address, at) => {
          const ip = stringAt(address, 'ip')
          const field = `${index(`${index('subsets', position)}.${list}`, at)}.ip`
          return ip === '' || isIP(ip) !== 0 ? [] : [invalidValue(field, ip, 'must be a valid IP address')]
        }),
      ),
    ),
})

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSlices = builtinType({
  group: 'discovery.k8s.io',
  resource: 'endpointslices',
  kind: 'EndpointSlice',
  definition: 'io.k8s.api.discovery.v1.EndpointSlice',
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('AddressType', (slice) => stringAt(slice, 'addressType')),
    column('Ports', (slice) => shortList(objectsAt(slice, 'ports').map((port) => textOr(port['port'], '*')))),
    column('Endpoints', (slice) =>
      shortList(objectsAt(slice, 'endpoints').flatMap((one) => stringsAt(one, 'addresses'))),
    ),
    { ...ageColumn, cell: (slice, nowMs) => ageOf(slice.metadata.creationTimestamp, nowMs) },
  ],
  applyDefaults: (slice) => {
    slice['endpoints'] ??= []
    for (const port of objectsAt(slice, 'ports')) {
      setDefault(port, 'name', '')
      setDefault(port, 'protocol', 'TCP')
    }
  },
  validate: sliceErrors,
})

function sliceErrors(slice: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const type = stringAt(slice, 'addressType')
  if (old !== undefined && old['addressType'] !== type) {
    errors.push(invalidValue('addressType', type, 'field is immutable'))
  }
  for (const [position, endpoint] of objectsAt(slice, 'endpoints').entries()) {
    const field = `${index('endpoints', position)}.addresses`
    for (const [at, address] of stringsAt(endpoint, 'addresses').entries()) {
      const family = { IPv4: 4, IPv6: 6 }[type]
      if (family !== undefined && isIP(address) !== family) {
        errors.push(invalidValue(index(field, at), address, `must be a valid ${type} address`))
      }
    }
  }
  const names = new Set<string>()
  for (const [position, port] of objectsAt(slice, 'ports').entries()) {
    const name = stringAt(port, 'name')
    if (names.has(name)) errors.push(duplicate(`${index('ports', position)}.name`, name))
    names.add(name)
    if (name === '') continue
    for (const error of dnsLabelErrors(name)) errors.push(invalidValue(`${index('ports', position)}.name`, name, error))
  }
  return errors
}
