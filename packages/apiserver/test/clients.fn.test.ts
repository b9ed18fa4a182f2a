import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as k8s from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { parseAllDocuments } from 'yaml'
import { TestCluster } from './test-cluster.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start({
    podRuntime: {
      // oxlint-disable-next-line require-yield -- there is nothing to read
      async *logs() {
        throw new Error('no log')
      },
      async exec(_pod, { tty }, { stdin, stdout, onResize, signal }) {
        onResize(({ columns, rows }) => stdout.write(`${columns}x${rows} tty=${tty}\n`))
        for await (const chunk of stdin ?? []) stdout.write(chunk)
        return signal.aborted ? 1 : 42
      },
    },
  })
})
afterAll(() => cluster[Symbol.asyncDispose]())

function clientConfig(): k8s.KubeConfig {
  const config = new k8s.KubeConfig()
  config.loadFromFile(cluster.kubeconfig)
  return config
}

describe('@kubernetes/client-node', () => {
  test('reads and writes typed objects', async () => {
    const core = clientConfig().makeApiClient(k8s.CoreV1Api)
    const created = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'typed' }, data: { a: '1' } },
    })
    expect(created.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/)
    const body = Object.assign(created, { data: { a: '2' } })
    expect((await core.replaceNamespacedConfigMap({ namespace: 'default', name: 'typed', body })).data).toEqual({
      a: '2',
    })
    await expect(core.replaceNamespacedConfigMap({ namespace: 'default', name: 'typed', body })).rejects.toMatchObject({
      code: 409,
    })
    expect(
      (await core.listNamespacedConfigMap({ namespace: 'default', fieldSelector: 'metadata.name=typed' })).items,
    ).toHaveLength(1)
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'typed' })
    await expect(core.readNamespacedConfigMap({ namespace: 'default', name: 'typed' })).rejects.toMatchObject({
      code: 404,
    })
  })

  test('an informer lists again after a 410 and misses nothing', async () => {
    const config = clientConfig()
    const core = config.makeApiClient(k8s.CoreV1Api)
    let lists = 0
    const informer = k8s.makeInformer(config, '/api/v1/namespaces/kube-public/configmaps', async () => {
      lists += 1
      return core.listNamespacedConfigMap({ namespace: 'kube-public' })
    })
    const seen = new Set<string>()
    const waiting: (() => void)[] = []
    const note = (verb: string) => (object: k8s.V1ConfigMap) => {
      seen.add(`${verb} ${object.metadata?.name}`)
      for (const check of waiting) check()
    }
    informer.on('add', note('add'))
    informer.on('delete', note('delete'))
    informer.on('error', (error: unknown) => {
      void error
      void informer.start()
    })
    const expectSeen = (what: string): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => {
          if (seen.has(what)) resolve()
        }
        waiting.push(check)
        check()
      })
    const put = (name: string): unknown =>
      cluster.server.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-public' } })
    put('before')
    await informer.start()
    await expectSeen('add before')
    put('meanwhile')
    await expectSeen('add meanwhile')
    // All at once: the watch ends, changes happen unseen, and the history that would tell of them is forgotten.
    cluster.server.dropWatches()
    await core.deleteNamespacedConfigMap({ namespace: 'kube-public', name: 'before' })
    put('unseen')
    cluster.server.compact()
    await expectSeen('add unseen')
    await expectSeen('delete before')
    expect(lists).toBeGreaterThanOrEqual(2)
    await informer.stop()
  })
})

test('TLS is spoken over a unix socket, too', async () => {
  const directory = mkdtempSync(join(tmpdir(), `margay-socket-${process.pid}-`))
  const socketPath = join(directory, 'api.sock')
  const { readFileSync } = await import('node:fs')
  const tls = {
    cert: readFileSync(join(cluster.directory, 'server.pem'), 'utf8'),
    key: readFileSync(join(cluster.directory, 'server.key'), 'utf8'),
  }
  const listener = await cluster.server.listen({ unixPath: socketPath, tls })
  const code = await new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer secret' }
    const call = request(
      { socketPath, path: '/api/v1/namespaces', headers, ca: cluster.ca, servername: 'localhost' },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    )
    call.on('error', reject)
    call.end()
  })
  expect(code).toBe(200)
  expect(listener.url).toBe(socketPath)
  await listener.close()
  rmSync(directory, { recursive: true })
})

describe('exec over a WebSocket', () => {
  const Channel = { Stdin: 0, Stdout: 1, Error: 3, Resize: 4, Close: 255 }

  async function session(
    query: string,
    protocol: string,
  ): Promise<{ socket: WebSocket; output: () => string; status: Promise<Record<string, unknown>> }> {
    cluster.server.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'shell' },
      spec: { containers: [{ name: 'main', image: 'x' }] },
    })
    const url = `${cluster.url.replace('https', 'wss')}/api/v1/namespaces/default/pods/shell/exec?command=sh&stdout=true&${query}`
    const socket = new WebSocket(url, protocol, { ca: cluster.ca, headers: { authorization: 'Bearer secret' } })
    let output = ''
    const status = new Promise<Record<string, unknown>>((resolve, reject) => {
      socket.on('message', (message: Buffer) => {
        const content = message.subarray(1).toString()
        if (message[0] === Channel.Stdout) output += content
        else if (message[0] === Channel.Error) resolve(JSON.parse(content) as Record<string, unknown>)
      })
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed without a status')))
    })
    await new Promise((resolve) => socket.once('open', resolve))
    return { socket, output: () => output, status }
  }

  test('passes the terminal size, ends stdin by the close signal, and tells the exit code', async () => {
    const { socket, output, status } = await session('stdin=true&tty=true', 'v5.channel.k8s.io')
    socket.send(Buffer.concat([Buffer.of(Channel.Resize), Buffer.from('{"Width":80,"Height":24}')]))
    socket.send(Buffer.concat([Buffer.of(Channel.Stdin), Buffer.from('hello')]))
    socket.send(Buffer.of(Channel.Close, Channel.Stdin))
    expect(await status).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '42' }] },
    })
    expect(output()).toBe('80x24 tty=true\nhello')
  })

  test('refuses nonsense on a channel', async () => {
    for (const message of [Buffer.of(9, 1), Buffer.of(Channel.Resize, 0x7b)]) {
      const { socket, status } = await session('stdin=true', 'v4.channel.k8s.io')
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.send(message)
      await expect(status).rejects.toThrow('closed without a status')
      expect([1007, 1008]).toContain(await closed)
    }
  })
})

describe('helm', () => {
  const chart: Record<string, string> = {
    'Chart.yaml': 'apiVersion: v2\nname: sample\nversion: 0.1.0\n',
    'templates/all.yaml': `
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: {{ .Release.Name }}}
rules: [{apiGroups: ["", networking.k8s.io], resources: [pods, networkpolicies], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: {{ .Release.Name }}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .Release.Name }}}
subjects: [{kind: ServiceAccount, name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {config.yaml: "a: 1"}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: agent}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 10%}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      hostNetwork: true
      priorityClassName: system-node-critical
      serviceAccountName: {{ .Release.Name }}
      tolerations: [{operator: Exists}]
      volumes:
      - {name: run, hostPath: {path: /var/run, type: DirectoryOrCreate}}
      - {name: config, configMap: {name: {{ .Release.Name }}}}
      containers:
      - name: agent
        image: example.dev/agent:1
        securityContext: {privileged: true, capabilities: {add: [NET_ADMIN]}}
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        ports: [{name: http, containerPort: 9099}]
        resources: {requests: {cpu: 0.1, memory: 64Mi}}
        readinessProbe: {httpGet: {path: /ready, port: http}}
        volumeMounts: [{name: run, mountPath: /run, mountPropagation: Bidirectional}, {name: config, mountPath: /etc/agent}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 1
  selector: {matchLabels: {app: controllers}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: controllers}}
    spec: {containers: [{name: main, image: example.dev/controllers:1}]}
`,
    'crds/widgets.yaml': `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.sample.dev}
spec:
  group: sample.dev
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`,
  }

  test('a usual chart is rendered, accepted, installed, upgraded and removed', async () => {
    const directory = join(cluster.directory, 'sample')
    const { mkdirSync } = await import('node:fs')
    for (const folder of ['', 'templates', 'crds']) mkdirSync(join(directory, folder), { recursive: true })
    for (const [name, text] of Object.entries(chart)) writeFileSync(join(directory, name), text)
    const rendered = await cluster.run('helm', ['template', 'one', directory, '--include-crds', '-n', 'default'])
    expect(rendered.code).toBe(0)
    const dryRun = await cluster.ok(['apply', '--dry-run=server', '-f', '-'], rendered.stdout)
    expect(dryRun.trim().split('\n')).toHaveLength(
      parseAllDocuments(rendered.stdout).filter((document) => document.contents !== null).length,
    )
    for (const args of [
      ['install', 'one', directory],
      ['upgrade', 'one', directory],
      ['uninstall', 'one'],
    ]) {
      const outcome = await cluster.run('helm', args)
      expect(`${outcome.code} ${outcome.stderr}`).toMatch(/^0 /)
    }
    expect(cluster.server.get('apps/v1', 'DaemonSet', 'one')).toBeUndefined()
  })
})
