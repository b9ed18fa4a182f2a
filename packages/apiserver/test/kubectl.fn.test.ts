import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PodRuntime } from '../src/index.ts'
import { TestCluster } from './test-cluster.ts'

let cluster: TestCluster

const runtime: PodRuntime = {
  async *logs(pod, { container, follow, tailLines }, signal) {
    const lines = [`log of ${pod.metadata.name}/${container}`, 'second line', 'third line']
    yield `${lines.slice(tailLines === undefined ? 0 : -tailLines).join('\n')}\n`
    if (!follow) return
    yield 'followed\n'
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  },
  async exec(_pod, { container, command, tty }, { stdin, stdout, stderr, onResize }) {
    const [program, ...args] = command
    if (program === 'exit') return Number(args[0])
    if (program === 'cat' && stdin !== undefined) {
      for await (const chunk of stdin) stdout.write(chunk)
      return 0
    }
    if (program === 'throw') throw new Error('no such program')
    if (tty) onResize(({ columns, rows }) => stdout.write(`size ${columns}x${rows}\n`))
    stdout.write(`${container}: ${command.join(' ')}\n`)
    stderr.write('to stderr\n')
    return 0
  },
}

beforeAll(async () => {
  cluster = await TestCluster.start({ podRuntime: runtime })
})
afterAll(() => cluster[Symbol.asyncDispose]())

function yaml(kind: string, name: string, rest: object, namespace?: string): string {
  const versions: Record<string, string> = {
    NetworkPolicy: 'networking.k8s.io/v1',
    Deployment: 'apps/v1',
    CustomResourceDefinition: 'apiextensions.k8s.io/v1',
  }
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) }
  return JSON.stringify({ apiVersion: versions[kind] ?? 'v1', kind, metadata, ...rest })
}

function pod(name: string, extra: object = {}): string {
  return yaml('Pod', name, { spec: { containers: [{ name: 'main', image: 'busybox:1.36' }], ...extra } })
}

const deployment = (name: string, image: string, replicas?: number): string =>
  yaml('Deployment', name, {
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } },
    },
  })

describe('reading', () => {
  test('api-resources, api-versions and version come from discovery', async () => {
    const resources = await cluster.ok(['api-resources', '--no-headers'])
    expect(resources).toMatch(/^networkpolicies +netpol +networking\.k8s\.io\/v1 +true +NetworkPolicy$/m)
    expect(resources).toMatch(/^nodes +no +v1 +false +Node$/m)
    expect(await cluster.ok(['api-versions'])).toContain('apiextensions.k8s.io/v1')
    expect(await cluster.ok(['version'])).toContain('Server Version: v1.35')
  })

  test('get prints tables with the columns of the kind', async () => {
    await cluster.ok(['apply', '-f', '-'], pod('columns'))
    const [head, row] = (await cluster.ok(['get', 'pods', 'columns'])).split('\n')
    expect(head).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE$/)
    expect(row).toMatch(/^columns +0\/1 +Pending +0 +\d+s$/)
    const wide = await cluster.ok(['get', 'pods', 'columns', '-o', 'wide'])
    expect(wide).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES$/m)
    expect(await cluster.ok(['get', 'ns'])).toMatch(/^kube-system +Active/m)
    expect(await cluster.ok(['get', 'all', '-A'])).toContain('pod/columns')
  })

  test('selectors narrow a list, unsupported ones are refused', async () => {
    await cluster.ok(['create', 'configmap', 'one', '--from-literal=a=b'])
    await cluster.ok(['label', 'configmap', 'one', 'tier=gold', 'zone=a'])
    expect(await cluster.ok(['get', 'cm', '-l', 'tier in (gold,silver),zone!=b', '-o', 'name'])).toBe('configmap/one\n')
    expect(await cluster.ok(['get', 'cm', '-l', '!tier', '-o', 'name'])).not.toContain('one')
    expect(await cluster.ok(['get', 'cm', '--field-selector', 'metadata.name=one', '-o', 'name'])).toBe(
      'configmap/one\n',
    )
    expect(await cluster.fails(['get', 'cm', '--field-selector', 'data.a=b'])).toContain(
      'field label not supported: data.a',
    )
    expect(await cluster.fails(['get', 'cm', '-l', 'a b'])).toMatch(/unable to parse requirement|invalid label/)
  })

  test('large lists come in chunks', async () => {
    for (let item = 0; item < 7; item++) {
      cluster.server.apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: `chunk-${item}`, labels: { set: 'chunks' } },
      })
    }
    const names = await cluster.ok(['get', 'cm', '-l', 'set=chunks', '--chunk-size=3', '-o', 'name'])
    expect(names.trim().split('\n')).toHaveLength(7)
  })

  test('explain describes built-in kinds with their text', async () => {
    const text = await cluster.ok(['explain', 'networkpolicy.spec.ingress.from.ipBlock'])
    expect(text).toContain('FIELD: ipBlock <IPBlock>')
    expect(text).toMatch(/cidr\s+<string> -required-/)
    expect(await cluster.ok(['explain', 'pod.spec.containers', '--recursive'])).toMatch(/containerPort\s+<integer>/)
  })

  test('describe shows an object and its events', async () => {
    cluster.server.apply({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'columns.1', namespace: 'default' },
      involvedObject: {
        apiVersion: 'v1',
        kind: 'Pod',
        name: 'columns',
        namespace: 'default',
        uid: cluster.server.get('v1', 'Pod', 'columns')?.metadata.uid ?? '',
      },
      reason: 'Tested',
      message: 'it was looked at',
      type: 'Normal',
      source: { component: 'test' },
      lastTimestamp: new Date().toISOString(),
    })
    const text = await cluster.ok(['describe', 'pod', 'columns'])
    expect(text).toMatch(/Image: +busybox:1\.36/)
    expect(text).toContain('it was looked at')
    expect(await cluster.ok(['get', 'events', '--field-selector', 'involvedObject.name=columns'])).toMatch(
      /Normal +Tested +pod\/columns/,
    )
    for (const kind of ['node', 'svc', 'netpol', 'deploy', 'sa', 'secret', 'ns', 'clusterrole', 'crd']) {
      await cluster.ok(['describe', kind, '-A'].slice(0, ['node', 'ns', 'clusterrole', 'crd'].includes(kind) ? 2 : 3))
    }
  })

  test('get -w follows changes', async () => {
    const child = cluster.spawn('kubectl', [
      'get',
      'cm',
      '-l',
      'watched=yes',
      '-w',
      '--output-watch-events',
      '-o',
      'jsonpath={.type} {.object.data.n}{"\\n"}',
    ])
    let output = ''
    const seen = (text: string): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => {
          if (output.includes(text)) resolve()
        }
        child.stdout.on('data', check)
        check()
      })
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    cluster.server.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'watched', labels: { watched: 'yes' } },
      data: { n: '1' },
    })
    // A list's watch starts at the list's version. (For a single name kubectl starts anywhere, and may miss a change.)
    await seen('ADDED 1')
    cluster.server.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'watched', labels: { watched: 'yes' } },
      data: { n: '2' },
    })
    await seen('MODIFIED 2')
    await cluster.ok(['delete', 'cm', 'watched'])
    await seen('DELETED 2')
    child.kill()
    await new Promise((resolve) => child.on('close', resolve))
  })
})

describe('writing', () => {
  test('client-side apply creates, changes, prunes fields and rests', async () => {
    expect(await cluster.ok(['apply', '-f', '-'], deployment('app', 'nginx:1', 2))).toContain('created')
    expect(await cluster.ok(['apply', '-f', '-'], deployment('app', 'nginx:1', 2))).toContain('unchanged')
    expect(await cluster.ok(['apply', '-f', '-'], deployment('app', 'nginx:2'))).toContain('configured')
    const spec = JSON.parse(await cluster.ok(['get', 'deploy', 'app', '-o', 'json'])).spec
    expect(spec.template.spec.containers[0]).toMatchObject({
      name: 'web',
      image: 'nginx:2',
      imagePullPolicy: 'IfNotPresent',
    })
    expect(spec.replicas).toBe(1)
  })

  test('diff shows what apply would do, and changes nothing', async () => {
    await cluster.ok(['apply', '-f', '-'], deployment('diffed', 'nginx:1'))
    const before = cluster.server.get('apps/v1', 'Deployment', 'diffed')?.metadata.resourceVersion
    const same = await cluster.kubectl(['diff', '-f', '-'], deployment('diffed', 'nginx:1'))
    expect(same).toMatchObject({ code: 0, stdout: '' })
    const { code, stdout } = await cluster.kubectl(['diff', '-f', '-'], deployment('diffed', 'nginx:2'))
    expect(code).toBe(1)
    expect(stdout).toMatch(/^-\s+- image: nginx:1$/m)
    expect(stdout).toMatch(/^\+\s+- image: nginx:2$/m)
    expect(cluster.server.get('apps/v1', 'Deployment', 'diffed')?.metadata.resourceVersion).toBe(before)
  })

  test('server-side apply owns fields, reports conflicts, takes over by force, removes what was dropped', async () => {
    const config = (data: object): string => yaml('ConfigMap', 'owned', { data })
    const apply = (manager: string, data: object, ...more: string[]): Promise<unknown> =>
      cluster.ok(['apply', '--server-side', `--field-manager=${manager}`, ...more, '-f', '-'], config(data))
    await apply('alice', { a: '1', b: '1' })
    await apply('bob', { c: '1' })
    const conflict = await cluster.fails(
      ['apply', '--server-side', '--field-manager=bob', '-f', '-'],
      config({ a: '2', c: '1' }),
    )
    expect(conflict).toContain('Apply failed with 1 conflict: conflict with "alice" using v1: .data.a')
    await apply('bob', { a: '2', c: '1' }, '--force-conflicts')
    await apply('alice', { b: '1' })
    expect(cluster.server.get('v1', 'ConfigMap', 'owned')?.['data']).toEqual({ a: '2', b: '1', c: '1' })
    await apply('bob', { c: '1' })
    expect(cluster.server.get('v1', 'ConfigMap', 'owned')?.['data']).toEqual({ b: '1', c: '1' })
    const shown = await cluster.ok(['get', 'cm', 'owned', '-o', 'yaml', '--show-managed-fields'])
    expect(shown).toMatch(/manager: alice\n\s+operation: Apply/)
  })

  test('server-side apply takes over from client-side apply', async () => {
    await cluster.ok(['apply', '-f', '-'], deployment('migrated', 'nginx:1'))
    await cluster.ok(['apply', '--server-side', '-f', '-'], deployment('migrated', 'nginx:1'))
    await cluster.ok(['apply', '--server-side', '-f', '-'], deployment('migrated', 'nginx:2'))
    const managers = cluster.server.get('apps/v1', 'Deployment', 'migrated')?.metadata.managedFields
    // The server orders them by time, which has seconds only: which comes first depends on when a second ended.
    expect(managers?.map(({ manager, operation }) => `${manager} ${operation}`).toSorted()).toEqual([
      'kubectl Apply',
      'kubectl-last-applied Apply',
    ])
  })

  test('label, annotate and patch of every type', async () => {
    await cluster.ok(['apply', '-f', '-'], deployment('patched', 'nginx:1'))
    await cluster.ok(['label', 'deploy/patched', 'a=1', 'b=2'])
    await cluster.ok(['label', 'deploy/patched', 'a=2', '--overwrite'])
    await cluster.ok(['label', 'deploy/patched', 'b-'])
    await cluster.ok(['annotate', 'deploy/patched', 'note=hello'])
    const strategic = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'web', env: [{ name: 'A', value: '1' }] },
              { name: 'side', image: 'busybox' },
            ],
          },
        },
      },
    }
    await cluster.ok(['patch', 'deploy', 'patched', '-p', JSON.stringify(strategic)])
    await cluster.ok([
      'patch',
      'deploy',
      'patched',
      '--type=json',
      '-p',
      '[{"op":"replace","path":"/spec/replicas","value":3}]',
    ])
    await cluster.ok(['patch', 'deploy', 'patched', '--type=merge', '-p', '{"spec":{"paused":true}}'])
    const object = JSON.parse(await cluster.ok(['get', 'deploy', 'patched', '-o', 'json']))
    expect(object.metadata.labels).toEqual({ a: '2' })
    expect(object.metadata.annotations['note']).toBe('hello')
    expect(object.spec).toMatchObject({ replicas: 3, paused: true })
    expect(object.spec.template.spec.containers).toMatchObject([
      { name: 'web', image: 'nginx:1', env: [{ name: 'A', value: '1' }] },
      { name: 'side', image: 'busybox', imagePullPolicy: 'Always' },
    ])
    const remove = { spec: { template: { spec: { containers: [{ $patch: 'delete', name: 'side' }] } } } }
    await cluster.ok(['patch', 'deploy', 'patched', '-p', JSON.stringify(remove)])
    expect(
      await cluster.ok(['get', 'deploy', 'patched', '-o', 'jsonpath={.spec.template.spec.containers[*].name}']),
    ).toBe('web')
    expect(
      await cluster.fails([
        'patch',
        'deploy',
        'patched',
        '--type=json',
        '-p',
        '[{"op":"test","path":"/spec/replicas","value":9}]',
      ]),
    ).toContain('error in our request')
  })

  test('replace, scale, set image and rollout status', async () => {
    await cluster.ok(['create', '-f', '-'], deployment('replaced', 'nginx:1'))
    await cluster.ok(['replace', '-f', '-'], deployment('replaced', 'nginx:2', 4))
    await cluster.ok(['scale', 'deploy', 'replaced', '--replicas=5'])
    await cluster.ok(['set', 'image', 'deploy/replaced', 'web=nginx:3'])
    const { spec, metadata } = JSON.parse(await cluster.ok(['get', 'deploy', 'replaced', '-o', 'json']))
    expect(spec).toMatchObject({ replicas: 5, template: { spec: { containers: [{ image: 'nginx:3' }] } } })
    expect(metadata.generation).toBe(4)
    const {
      apiVersion,
      kind,
      metadata: stale,
      ...rest
    } = JSON.parse(await cluster.ok(['get', 'deploy', 'replaced', '-o', 'json']))
    await cluster.ok(['scale', 'deploy', 'replaced', '--replicas=6'])
    const error = await cluster.fails(
      ['replace', '-f', '-'],
      JSON.stringify({ apiVersion, kind, metadata: stale, ...rest }),
    )
    expect(error).toContain(
      'the object has been modified; please apply your changes to the latest version and try again',
    )
  })

  test('--dry-run=server answers like a write and writes nothing', async () => {
    const created = JSON.parse(
      await cluster.ok(['create', '--dry-run=server', '-o', 'json', '-f', '-'], pod('phantom')),
    )
    expect(created.spec.schedulerName).toBe('default-scheduler')
    expect(cluster.server.get('v1', 'Pod', 'phantom')).toBeUndefined()
    await cluster.ok(['delete', 'ns', 'kube-node-lease', '--dry-run=server'])
    expect(cluster.server.get('v1', 'Namespace', 'kube-node-lease')).toBeDefined()
  })

  test('the commands that send protobuf', async () => {
    await cluster.ok(['create', 'ns', 'made'])
    await cluster.ok(['create', 'secret', 'generic', 'made', '--from-literal=p=q', '-n', 'made'])
    await cluster.ok(['create', 'deployment', 'made', '--image=nginx', '--replicas=0', '--port=80', '-n', 'made'])
    await cluster.ok(['create', 'service', 'nodeport', 'made', '--tcp=80:8080', '-n', 'made'])
    await cluster.ok(['create', 'role', 'made', '--verb=get,list', '--resource=pods,deployments.apps', '-n', 'made'])
    await cluster.ok(['create', 'rolebinding', 'made', '--role=made', '--serviceaccount=made:default', '-n', 'made'])
    await cluster.ok(['create', 'priorityclass', 'made', '--value=7', '--description=x'])
    await cluster.ok(['create', 'pdb', 'made', '--selector=a=b', '--min-available=50%', '-n', 'made'])
    expect(cluster.server.get('v1', 'Secret', 'made', 'made')).toMatchObject({ data: { p: btoa('q') } })
    expect(cluster.server.get('apps/v1', 'Deployment', 'made', 'made')).toMatchObject({ spec: { replicas: 0 } })
    const service = await cluster.ok([
      'get',
      'svc',
      'made',
      '-n',
      'made',
      '-o',
      'jsonpath={.spec.ports[0].targetPort} {.spec.ports[0].nodePort} {.spec.clusterIP}',
    ])
    expect(service).toMatch(/^8080 3\d{4} 10\.\d+\.\d+\.\d+$/)
    expect(cluster.server.get('rbac.authorization.k8s.io/v1', 'Role', 'made', 'made')).toMatchObject({
      rules: [
        { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
        { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'list'] },
      ],
    })
    expect(cluster.server.get('policy/v1', 'PodDisruptionBudget', 'made', 'made')).toMatchObject({
      spec: { minAvailable: '50%' },
    })
  })
})

describe('deleting and waiting', () => {
  test('wait for a condition, for a path and for deletion', async () => {
    await cluster.ok(['apply', '-f', '-'], pod('waited'))
    const condition = cluster.ok(['wait', 'pod/waited', '--for=condition=Ready', '--timeout=20s'])
    const path = cluster.ok(['wait', 'pod/waited', '--for=jsonpath={.status.podIP}=10.0.0.9', '--timeout=20s'])
    const live = cluster.server.get('v1', 'Pod', 'waited')
    if (live === undefined) throw new Error('the pod is gone')
    cluster.server.apply({
      ...live,
      status: { phase: 'Running', podIP: '10.0.0.9', conditions: [{ type: 'Ready', status: 'True' }] },
    })
    expect(await condition).toContain('condition met')
    expect(await path).toContain('condition met')
    const gone = cluster.ok(['wait', 'pod/waited', '--for=delete', '--timeout=20s'])
    await cluster.ok(['delete', 'pod', 'waited', '--wait=false'])
    await gone
  })

  test('finalizers hold an object until they are removed', async () => {
    await cluster.ok(
      ['apply', '-f', '-'],
      yaml('ConfigMap', 'held', {}).replace('"name":"held"', '"name":"held","finalizers":["test.dev/hold"]'),
    )
    await cluster.ok(['delete', 'cm', 'held', '--wait=false'])
    expect(await cluster.ok(['get', 'cm', 'held', '-o', 'jsonpath={.metadata.deletionTimestamp}'])).toMatch(/^\d{4}-/)
    const removal = cluster.ok(['wait', 'cm/held', '--for=delete', '--timeout=20s'])
    await cluster.ok(['patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}'])
    await removal
    expect(cluster.server.get('v1', 'ConfigMap', 'held')).toBeUndefined()
  })

  test('a namespace takes its content along', async () => {
    await cluster.ok(['create', 'ns', 'doomed'])
    await cluster.ok(['create', 'cm', 'inside', '-n', 'doomed'])
    await cluster.ok(['delete', 'ns', 'doomed', '--timeout=20s'])
    expect(cluster.server.get('v1', 'ConfigMap', 'inside', 'doomed')).toBeUndefined()
    expect(await cluster.fails(['create', 'cm', 'late', '-n', 'doomed'])).toContain('namespaces "doomed" not found')
    expect(await cluster.fails(['delete', 'ns', 'default'])).toContain('this namespace may not be deleted')
  })

  test('the garbage of a deleted owner is collected', async () => {
    await cluster.ok(['create', 'cm', 'owner'])
    const uid = cluster.server.get('v1', 'ConfigMap', 'owner')?.metadata.uid ?? ''
    for (const name of ['child-a', 'child-b']) {
      cluster.server.apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }] },
      })
    }
    await cluster.ok(['delete', 'cm', 'owner', '--cascade=foreground', '--timeout=20s'])
    expect(cluster.server.get('v1', 'ConfigMap', 'child-a')).toBeUndefined()
    expect(cluster.server.get('v1', 'ConfigMap', 'child-b')).toBeUndefined()
  })

  test('garbage is collected in the background, too; a second owner saves it', async () => {
    const uids = ['first', 'second'].map((name) => {
      const made = cluster.server.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })
      return { apiVersion: 'v1', kind: 'ConfigMap', name, uid: made.metadata.uid ?? '' }
    })
    cluster.server.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shared', ownerReferences: uids } })
    cluster.server.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'lone', ownerReferences: uids.slice(0, 1) },
    })
    const gone = cluster.ok(['wait', 'cm/lone', '--for=delete', '--timeout=20s'])
    await cluster.ok(['delete', 'cm', 'first'])
    await gone
    expect(cluster.server.get('v1', 'ConfigMap', 'shared')?.metadata.ownerReferences).toEqual(uids.slice(1))
  })

  test('orphans stay', async () => {
    await cluster.ok(['create', 'cm', 'parent'])
    const uid = cluster.server.get('v1', 'ConfigMap', 'parent')?.metadata.uid ?? ''
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'parent', uid }]
    cluster.server.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'orphan', ownerReferences } })
    await cluster.ok(['delete', 'cm', 'parent', '--cascade=orphan', '--timeout=20s'])
    expect(cluster.server.get('v1', 'ConfigMap', 'orphan')?.metadata.ownerReferences ?? []).toEqual([])
  })

  test('delete by label deletes a collection', async () => {
    await cluster.ok(['delete', 'cm', '-l', 'set=chunks'])
    expect(await cluster.ok(['get', 'cm', '-l', 'set=chunks', '-o', 'name'])).toBe('')
  })

  test('a pod on a node stays until its kubelet has stopped it', async () => {
    await cluster.ok(['apply', '-f', '-'], pod('bound', { nodeName: 'node-1' }))
    await cluster.ok(['delete', 'pod', 'bound', '--wait=false'])
    expect(await cluster.ok(['get', 'pod', 'bound'])).toContain('Terminating')
    await cluster.ok(['delete', 'pod', 'bound', '--grace-period=0', '--force'])
    expect(cluster.server.get('v1', 'Pod', 'bound')).toBeUndefined()
  })

  test('cordon and drain', async () => {
    await cluster.ok(['apply', '-f', '-'], yaml('Node', 'drained', {}))
    await cluster.ok(['apply', '-f', '-'], pod('evicted', { nodeName: 'drained', terminationGracePeriodSeconds: 0 }))
    await cluster.ok(['drain', 'drained', '--force', '--timeout=20s'])
    expect(cluster.server.get('v1', 'Pod', 'evicted')).toBeUndefined()
    expect(await cluster.ok(['get', 'node', 'drained'])).toContain('SchedulingDisabled')
  })
})

describe('refusals', () => {
  test('an unknown field is an error for kubectl', async () => {
    const error = await cluster.fails(['apply', '-f', '-'], pod('strict', { contaners: [] }))
    expect(error).toContain('strict decoding error: unknown field "spec.contaners"')
    const warned = await cluster.kubectl(['apply', '--validate=warn', '-f', '-'], pod('lenient', { contaners: [] }))
    expect(warned).toMatchObject({ code: 0 })
    expect(warned.stderr).toContain('Warning: unknown field "spec.contaners"')
  })

  test('every wrong field of a NetworkPolicy is named', async () => {
    const error = await cluster.fails(
      ['apply', '-f', '-'],
      yaml('NetworkPolicy', 'bad', {
        spec: {
          podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] },
          policyTypes: ['Sideways'],
          egress: [
            {
              to: [
                {},
                { ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } },
                { ipBlock: { cidr: 'fe80::/129' }, podSelector: {} },
              ],
              ports: [
                { port: 0 },
                { port: 'no_underscore' },
                { port: 90, endPort: 80 },
                { endPort: 5 },
                { port: 'http', endPort: 9 },
                { protocol: 'ICMP' },
              ],
            },
          ],
        },
      }),
    )
    for (const line of [
      `spec.podSelector.matchExpressions[0].values: Required value: must be specified when`,
      `spec.policyTypes[0]: Unsupported value: "Sideways"`,
      'spec.egress[0].to[0]: Required value: must specify a peer',
      'spec.egress[0].to[1].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
      'spec.egress[0].to[2].ipBlock.cidr: Invalid value: "fe80::/129"',
      'spec.egress[0].to[2]: Forbidden: may not specify both ipBlock and another peer',
      'spec.egress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.egress[0].ports[1].port: Invalid value: "no_underscore"',
      'spec.egress[0].ports[2].endPort: Invalid value: 90: must be greater than or equal to `port`',
      'spec.egress[0].ports[3].port: Required value: must be specified when endPort is specified',
      'spec.egress[0].ports[4].endPort: Invalid value: 9: must be specified only when port is numeric',
      'spec.egress[0].ports[5].protocol: Unsupported value: "ICMP"',
    ]) {
      expect(error).toContain(line)
    }
  })

  test('a pod spec is immutable but for its image', async () => {
    await cluster.ok(['apply', '-f', '-'], pod('fixed'))
    await cluster.ok(['set', 'image', 'pod/fixed', 'main=busybox:2'])
    expect(await cluster.fails(['patch', 'pod', 'fixed', '-p', '{"spec":{"hostNetwork":true}}'])).toContain(
      'pod updates may not change fields other than',
    )
    expect(await cluster.fails(['apply', '-f', '-'], pod('Bad_Name'))).toContain(
      'metadata.name: Invalid value: "Bad_Name"',
    )
    expect(await cluster.fails(['apply', '-f', '-'], yaml('Pod', 'empty', { spec: {} }))).toContain(
      'spec.containers: Required value',
    )
    expect(await cluster.fails(['apply', '-f', '-'], pod('lost', { serviceAccountName: 'nobody' }))).toContain(
      'serviceaccount "nobody" not found',
    )
  })
})

describe('who may do what', () => {
  test('users by token and by certificate; RBAC decides', async () => {
    expect(await cluster.ok(['auth', 'whoami', '--context=cert'])).toMatch(
      /Username +carol\nGroups +\[dev ops system:authenticated\]/,
    )
    expect(await cluster.fails(['get', 'pods', '--context=nobody'])).toContain('You must be logged in')
    expect(await cluster.fails(['get', 'pods', '--context=jane'])).toContain(
      'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    )
    expect((await cluster.kubectl(['auth', 'can-i', 'list', 'pods', '--context=jane'])).stdout).toBe('no\n')
    await cluster.ok(['create', 'clusterrole', 'pod-reader', '--verb=get,list,watch', '--resource=pods'])
    await cluster.ok(['create', 'rolebinding', 'dev-reads', '--clusterrole=pod-reader', '--group=dev'])
    expect(await cluster.ok(['auth', 'can-i', 'list', 'pods', '--context=jane'])).toBe('yes\n')
    expect(await cluster.ok(['auth', 'can-i', 'list', 'pods', '--as=jane', '--as-group=dev'])).toBe('yes\n')
    expect(await cluster.ok(['auth', 'can-i', '--list', '--context=jane'])).toMatch(
      /^pods +\[\] +\[\] +\[get list watch\]$/m,
    )
    await cluster.ok(['get', 'pods', '--context=cert'])
    expect(await cluster.fails(['get', 'pods', '-A', '--context=cert'])).toContain('at the cluster scope')
    expect(await cluster.fails(['get', 'pods', '--as=admin', '--context=cert'])).toContain(
      'cannot impersonate resource "users"',
    )
  })

  test('a service account acts with a token of its own', async () => {
    const token = (await cluster.ok(['create', 'token', 'default', '--duration=20m'])).trim()
    const asAccount = ['--token', token, '--context=nobody']
    const { body } = await cluster.request('/apis/authentication.k8s.io/v1/tokenreviews', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } }),
    })
    expect(body['status']).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:default' },
    })
    expect((await cluster.request('/api/v1/namespaces/default/configmaps', { token })).code).toBe(403)
    await cluster.ok(['create', 'rolebinding', 'sa-views', '--clusterrole=view', '--serviceaccount=default:default'])
    expect((await cluster.request('/api/v1/namespaces/default/configmaps', { token })).code).toBe(200)
    expect(asAccount).toHaveLength(3)
  })
})

describe('pods that run', () => {
  beforeAll(async () => {
    await cluster.ok(['apply', '-f', '-'], pod('runs'))
    await cluster.ok(
      ['apply', '-f', '-'],
      pod('two', {
        containers: [
          { name: 'a', image: 'x' },
          { name: 'b', image: 'x' },
        ],
      }),
    )
  })

  test('logs', async () => {
    expect(await cluster.ok(['logs', 'runs'])).toBe('log of runs/main\nsecond line\nthird line\n')
    expect(await cluster.ok(['logs', 'runs', '--tail=1'])).toBe('third line\n')
    expect(await cluster.ok(['logs', 'two', '-c', 'b', '--limit-bytes=6'])).toBe('log of')
    expect(await cluster.fails(['logs', 'two', '-c', 'c'])).toContain('container c is not valid for pod two')
    const child = cluster.spawn('kubectl', ['logs', '-f', 'runs'])
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('followed')) resolve()
      })
    })
    child.kill()
    await new Promise((resolve) => child.on('close', resolve))
  })

  test('exec passes output, input, errors and exit codes', async () => {
    expect(await cluster.kubectl(['exec', 'runs', '--', 'echo', 'hi there'])).toEqual({
      stdout: 'main: echo hi there\n',
      stderr: 'to stderr\n',
      code: 0,
    })
    const big = 'x'.repeat(300_000)
    expect(await cluster.ok(['exec', '-i', 'two', '-c', 'b', '--', 'cat'], big)).toBe(big)
    expect(await cluster.ok(['exec', '-i', 'runs', '--', 'cat'], '')).toBe('')
    const failed = await cluster.kubectl(['exec', 'runs', '--', 'exit', '7'])
    expect(failed.code).toBe(7)
    expect((await cluster.kubectl(['exec', 'runs', '--', 'throw'])).stderr).toContain('no such program')
    expect((await cluster.kubectl(['exec', 'missing', '--', 'x'])).stderr).toContain('pods "missing" not found')
  })
})
