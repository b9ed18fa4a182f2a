import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, TestCluster } from './test-cluster.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start()
  await cluster.ok(['apply', '-f', '-'], JSON.stringify(crd()))
  await cluster.ok(['wait', 'crd/pools.test.dev', '--for=condition=Established', '--timeout=20s'])
})
afterAll(() => cluster[Symbol.asyncDispose]())

function crd(change: (schema: Json, version: Json) => void = () => undefined): Json {
  const schema: Json = {
    type: 'object',
    description: 'Pool is a range of addresses.',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: {
        type: 'object',
        required: ['cidr'],
        'x-kubernetes-validations': [
          {
            rule: '!has(self.blockSize) || self.blockSize <= 32',
            message: 'blockSize is too large',
            fieldPath: '.blockSize',
          },
          { rule: 'self.cidr == oldSelf.cidr', message: 'cidr cannot be changed' },
          {
            rule: '!has(self.ports) || self.ports.all(p, !has(p.to) || p.to >= p.from)',
            messageExpression: "'bad ports in ' + self.cidr",
          },
        ],
        properties: {
          cidr: {
            type: 'string',
            description: 'The range, as address/length.',
            'x-kubernetes-validations': [{ rule: 'isCIDR(self)', message: 'must be a CIDR' }],
          },
          blockSize: { type: 'integer', format: 'int32', minimum: 20, default: 26 },
          mode: { type: 'string', enum: ['Always', 'Never'], default: 'Never' },
          replicas: { type: 'integer' },
          note: { type: 'string', pattern: '^[a-z]*$', maxLength: 5, nullable: true },
          since: { type: 'string', format: 'date-time' },
          port: { 'x-kubernetes-int-or-string': true },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          ports: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
            items: {
              type: 'object',
              required: ['name', 'from'],
              properties: { name: { type: 'string' }, from: { type: 'integer' }, to: { type: 'integer' } },
              'x-kubernetes-validations': [{ rule: 'self.from == oldSelf.from', message: 'from is fixed' }],
            },
          },
        },
      },
      status: { type: 'object', properties: { phase: { type: 'string' }, replicas: { type: 'integer' } } },
    },
  }
  const version: Json = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schema },
    subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
    selectableFields: [{ jsonPath: '.spec.mode' }],
    additionalPrinterColumns: [
      { name: 'Cidr', type: 'string', jsonPath: '.spec.cidr' },
      { name: 'Block', type: 'integer', jsonPath: '.spec.blockSize', priority: 1 },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
  }
  change(schema, version)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'pools.test.dev' },
    spec: {
      group: 'test.dev',
      scope: 'Cluster',
      names: { plural: 'pools', singular: 'pool', kind: 'Pool', shortNames: ['pl'], categories: ['net'] },
      versions: [version, { ...version, name: 'v1beta1', storage: false, additionalPrinterColumns: [] }],
    },
  }
}

function pool(name: string, spec: object, rest: object = {}): string {
  return JSON.stringify({ apiVersion: 'test.dev/v1', kind: 'Pool', metadata: { name }, spec, ...rest })
}

describe('a custom resource', () => {
  test('is discovered, by short name and category too', async () => {
    expect(await cluster.ok(['api-resources', '--api-group=test.dev', '--no-headers'])).toMatch(
      /^pools +pl +test\.dev\/v1 +false +Pool$/m,
    )
    await cluster.ok(['apply', '-f', '-'], pool('found', { cidr: '10.0.0.0/16' }))
    expect(await cluster.ok(['get', 'pl'])).toMatch(/^NAME +CIDR +AGE\nfound +10\.0\.0\.0\/16 +\d+s$/m)
    expect(await cluster.ok(['get', 'net', '-o', 'wide'])).toMatch(
      /^NAME +CIDR +BLOCK +AGE\nfound +10\.0\.0\.0\/16 +26 +\d+s$/m,
    )
    expect(await cluster.ok(['get', 'pools', '--field-selector', 'spec.mode=Never', '-o', 'name'])).toContain(
      'pool.test.dev/found',
    )
    expect(await cluster.ok(['get', 'pools', '--field-selector', 'spec.mode=Always', '-o', 'name'])).toBe('')
  })

  test('is explained and described', async () => {
    expect(await cluster.ok(['explain', 'pool'])).toContain('Pool is a range of addresses.')
    const text = await cluster.ok(['explain', 'pool.spec'])
    expect(text).toMatch(/cidr\t<string> -required-\n\s+The range, as address\/length\./)
    expect(text).toMatch(/mode\t<string>\n\s+enum: Always, Never/)
    expect(await cluster.ok(['describe', 'pool', 'found'])).toMatch(/Block Size: +26/)
  })

  test('is defaulted, pruned and kept', async () => {
    await cluster.ok(
      ['create', '--validate=false', '-f', '-'],
      pool('kept', { cidr: '10.1.0.0/16', junk: 1, free: { any: { thing: 1 } }, note: null }),
    )
    expect(cluster.server.get('test.dev/v1', 'Pool', 'kept')?.['spec']).toEqual({
      cidr: '10.1.0.0/16',
      blockSize: 26,
      mode: 'Never',
      free: { any: { thing: 1 } },
      note: null,
    })
    expect(await cluster.fails(['apply', '-f', '-'], pool('junk', { cidr: '10.1.0.0/16', junk: 1 }))).toContain(
      'unknown field "spec.junk"',
    )
  })

  test('every wrong field is named', async () => {
    const bad = {
      cidr: 5,
      blockSize: 3,
      mode: 'Maybe',
      note: 'UPPER CASE',
      since: 'yesterday',
      port: 1.5,
      tags: ['a', 'a'],
      labels: { a: 1 },
      ports: [{ name: 'x', from: 1 }, { name: 'x', from: 2 }, { from: 3 }],
    }
    const error = await cluster.fails(['apply', '-f', '-'], pool('bad', bad))
    for (const line of [
      'spec.cidr: Invalid value: "integer": spec.cidr in body must be of type string: "integer"',
      'spec.blockSize: Invalid value: 3: spec.blockSize in body should be greater than or equal to 20',
      'spec.mode: Unsupported value: "Maybe": supported values: "Always", "Never"',
      'spec.note: Too long: may not be more than 5 bytes',
      `spec.note: Invalid value: "UPPER CASE": spec.note in body should match '^[a-z]*$'`,
      'spec.since: Invalid value: "yesterday": spec.since in body must be of type date-time: "yesterday"',
      'spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number"',
      'spec.tags[1]: Duplicate value: "a"',
      'spec.labels.a: Invalid value: "integer"',
      'spec.ports[1]: Duplicate value: {"name":"x"}',
      'spec.ports[2].name: Required value',
    ]) {
      expect(error).toContain(line)
    }
    expect(await cluster.fails(['apply', '-f', '-'], pool('bad', {}))).toContain('spec.cidr: Required value')
  })

  test('rules hold at every level, on updates too', async () => {
    const refused = (name: string, spec: object): Promise<string> =>
      cluster.fails(['apply', '-f', '-'], pool(name, spec))
    expect(await refused('ruled', { cidr: 'nonsense' })).toContain(
      'spec.cidr: Invalid value: "nonsense": must be a CIDR',
    )
    expect(await refused('ruled', { cidr: '10.0.0.0/8', blockSize: 40 })).toContain(
      'spec.blockSize: Invalid value: "object": blockSize is too large',
    )
    expect(await refused('ruled', { cidr: '10.0.0.0/8', ports: [{ name: 'a', from: 5, to: 3 }] })).toContain(
      'spec: Invalid value: "object": bad ports in 10.0.0.0/8',
    )
    const ports = [
      { name: 'a', from: 1 },
      { name: 'b', from: 2 },
    ]
    await cluster.ok(['apply', '-f', '-'], pool('ruled', { cidr: '10.0.0.0/8', ports }))
    expect(await refused('ruled', { cidr: '10.0.0.0/9', ports })).toContain(
      'spec: Invalid value: "object": cidr cannot be changed',
    )
    expect(
      await refused('ruled', {
        cidr: '10.0.0.0/8',
        ports: [
          { name: 'b', from: 9 },
          { name: 'a', from: 1 },
        ],
      }),
    ).toContain('spec.ports[0]: Invalid value: "object": from is fixed')
    await cluster.ok(['apply', '-f', '-'], pool('ruled', { cidr: '10.0.0.0/8', ports: [{ name: 'c', from: 7 }] }))
  })

  test('status and scale are written on their own', async () => {
    await cluster.ok(
      ['apply', '-f', '-'],
      pool('parts', { cidr: '10.0.0.0/8', replicas: 1 }, { status: { phase: 'Lost' } }),
    )
    const read = (): Json => cluster.server.get('test.dev/v1', 'Pool', 'parts') ?? {}
    expect(read()['status']).toBeUndefined()
    await cluster.ok([
      'patch',
      'pool',
      'parts',
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"phase":"Ready","replicas":1},"spec":{"mode":"Always"}}',
    ])
    expect(read()).toMatchObject({ status: { phase: 'Ready' }, spec: { mode: 'Never' }, metadata: { generation: 1 } })
    await cluster.ok(['scale', 'pool', 'parts', '--replicas=4', '--current-replicas=1'])
    expect(read()).toMatchObject({ spec: { replicas: 4 }, metadata: { generation: 2 } })
  })

  test('server-side apply merges lists by their keys', async () => {
    const apply = (manager: string, spec: object): Promise<string> =>
      cluster.ok(['apply', '--server-side', `--field-manager=${manager}`, '-f', '-'], pool('merged', spec))
    await apply('one', { cidr: '10.0.0.0/8', ports: [{ name: 'a', from: 1 }], tags: ['x'] })
    await apply('two', { cidr: '10.0.0.0/8', ports: [{ name: 'b', from: 2 }], tags: ['y'] })
    expect(cluster.server.get('test.dev/v1', 'Pool', 'merged')?.['spec']).toMatchObject({
      ports: [
        { name: 'a', from: 1 },
        { name: 'b', from: 2 },
      ],
      tags: ['x', 'y'],
    })
    await apply('one', { cidr: '10.0.0.0/8' })
    expect(cluster.server.get('test.dev/v1', 'Pool', 'merged')?.['spec']).toMatchObject({
      ports: [{ name: 'b', from: 2 }],
      tags: ['y'],
    })
  })

  test('other versions serve the same objects', async () => {
    await cluster.ok(['apply', '-f', '-'], pool('versioned', { cidr: '10.0.0.0/8' }))
    const { body } = await cluster.request('/apis/test.dev/v1beta1/pools/versioned')
    expect(body).toMatchObject({ apiVersion: 'test.dev/v1beta1', spec: { cidr: '10.0.0.0/8' } })
    const strategic = await cluster.request('/apis/test.dev/v1/pools/versioned', {
      method: 'PATCH',
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
      body: '{}',
    })
    expect(strategic.code).toBe(415)
  })
})

describe('a CRD', () => {
  const refuse = async (change: (schema: Json, version: Json) => void): Promise<string> =>
    cluster.fails(['apply', '--dry-run=server', '-f', '-'], JSON.stringify(crd(change)))
  const path = 'spec.versions[0].schema.openAPIV3Schema'

  test.for<[rule: string, message: string]>([
    ['self.nope == 1', 'compilation failed: ERROR: No such key: nope'],
    ['self.cidr ==', 'compilation failed: ERROR: Unexpected token: EOF'],
    ['self.cidr + 1', 'compilation failed: ERROR: no such overload: string + int'],
    ['unknown(self)', 'compilation failed: ERROR'],
    ['self.cidr', 'must evaluate to a bool'],
  ])('with the rule %s is refused', async ([rule, message]) => {
    const error = await refuse((schema) => schema['properties'].spec['x-kubernetes-validations'].push({ rule }))
    expect(error).toContain(`${path}.properties[spec].x-kubernetes-validations[3].rule: Invalid value`)
    expect(error).toContain(message)
  })

  test('that is not structural is refused', async () => {
    expect(await refuse((schema) => delete schema['properties'].spec.properties.mode.type)).toContain(
      `${path}.properties[spec].properties[mode].type: Required value`,
    )
    expect(await refuse((schema) => (schema['properties'].spec.additionalProperties = { type: 'string' }))).toContain(
      'additionalProperties and properties are mutual exclusive',
    )
    expect(await refuse((schema) => (schema['properties'].spec.properties.note.pattern = '('))).toContain(
      'must be a valid regular expression',
    )
    expect(await refuse((schema) => (schema['properties'].spec.properties.blockSize.default = 'x'))).toContain(
      `${path}.properties[spec].properties[blockSize].default: Invalid value`,
    )
    expect(await refuse((_, version) => delete version['schema'])).toContain(
      `${path}: Required value: schemas are required`,
    )
    expect(await refuse((schema) => (schema['properties'].spec.properties.mode.typo = 1))).toContain(
      'unknown field "spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.mode.typo"',
    )
  })

  test('takes its objects along', async () => {
    const other = crd()
    const text = JSON.stringify(other)
      .replaceAll('pools', 'lakes')
      .replaceAll('pool', 'lake')
      .replaceAll('Pool', 'Lake')
      .replace('"pl"', '"lk"')
    await cluster.ok(['apply', '-f', '-'], text)
    await cluster.ok(['apply', '-f', '-'], pool('wet', { cidr: '10.0.0.0/8' }).replace('Pool', 'Lake'))
    await cluster.ok(['delete', 'crd', 'lakes.test.dev', '--timeout=20s'])
    expect((await cluster.request('/apis/test.dev/v1/lakes')).code).toBe(404)
    await cluster.ok(['apply', '-f', '-'], text)
    expect(await cluster.ok(['get', 'lakes', '-o', 'name'])).toBe('')
  })
})
