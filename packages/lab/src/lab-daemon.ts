import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { Server as NetServer } from 'node:net'
import { join } from 'node:path'
import { type ApiServer, createApiServer } from '@margay/apiserver'
import { ApiClient, RESOURCES } from '@margay/datastore'
import type { Node } from '@margay/model'
import { Address, Prefix } from '@margay/net'
import { isErrno, openRoute } from '@margay/netlink'
import type { Logger } from 'pino'
import { chartCrds, chartRights, defaultObjects, nodeObject } from './api-objects.ts'
import { Authority, type KeyPair } from './certificates.ts'
import { LabError } from './errors.ts'
import { kubeconfig } from './kubeconfig.ts'
import { Kubelet, nodeDirectory } from './kubelet.ts'
import { API_PORT, type HostPlan, HUB_PORT, type LabPlan } from './lab-plan.ts'
import type { LabPod } from './lab-pod.ts'
import { NodeProcess } from './node-process.ts'
import { LabPodRuntime } from './pod-runtime.ts'
import { Scheduler } from './scheduler.ts'
import { proxyToUnixSocket } from './tcp-proxy.ts'
import { buildUnderlay, removeUnderlay } from './underlay.ts'
import { watchObjects } from './watch-objects.ts'

/** What `margay lab up --json` prints. */
export interface LabDescription {
  readonly name: string
  readonly kubeconfig: string
  readonly nodes: readonly { name: string; netns: string; ip: string; ip6: string | null; api: string }[]
  readonly externals: readonly { name: string; netns: string; ip: string; ip6: string | null }[]
}

const HUB_SERVER_NAME = 'margay-hub'
const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 100

/** One lab: the cluster's API server, kubelets and scheduler in this process, its agents as processes of their own. */
export class LabDaemon {
  readonly #plan: LabPlan
  readonly #log: Logger
  readonly #servers: NetServer[] = []
  readonly #agents = new Map<string, NodeProcess>()
  readonly #apiPorts = new Map<string, number>()
  readonly #stopping = new AbortController()
  #controllers: NodeProcess | undefined
  #api: ApiServer | undefined
  #kubelet: Kubelet | undefined
  #client: ApiClient | undefined
  #control: Server | undefined

  constructor(plan: LabPlan, log: Logger) {
    this.#plan = plan
    this.#log = log
  }

  /** Resolves when every node is ready. @throws {LabError} LAB_NOT_READY */
  async start(): Promise<LabDescription> {
    const { directory, name } = this.#plan
    await mkdir(join(directory, 'logs'), { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, 'daemon.pid'), String(process.pid))
    await buildUnderlay(this.#plan)
    const authority = await Authority.create(join(directory, 'pki'), `margay-lab-${name}`)
    const serverPort = await this.#startApiServer(authority)
    const adminConfig = join(directory, 'kubeconfig')
    const admin = await authority.issue({ commonName: 'kubernetes-admin', organization: 'system:masters' })
    const server = `https://127.0.0.1:${serverPort}`
    await writeFile(
      adminConfig,
      kubeconfig({ name: `margay-${name}`, server, ca: authority.cert, user: 'kubernetes-admin', client: admin }),
      { mode: 0o600 },
    )
    this.#client = ApiClient.load(adminConfig)
    this.#startKubelet(this.#client)
    await this.#startControllers(authority)
    for (const host of this.#plan.nodeHosts) await this.#startNode(host, authority)
    await Promise.all(this.#plan.nodeHosts.map(async (host) => this.#nodeReady(host)))
    await this.#startControl()
    const description = this.describe()
    await writeFile(join(directory, 'lab.json'), JSON.stringify(description))
    return description
  }

  describe(): LabDescription {
    const { name, directory, nodeHosts, externalHosts } = this.#plan
    const host = ({ name: hostName, netns, addresses }: HostPlan): LabDescription['externals'][number] => ({
      name: hostName,
      netns,
      ip: String(addresses.find(({ family }) => family === 4)),
      ip6: addresses.find(({ family }) => family === 6)?.toString() ?? null,
    })
    return {
      name,
      kubeconfig: join(directory, 'kubeconfig'),
      nodes: nodeHosts.map((each) => ({ ...host(each), api: `http://127.0.0.1:${this.#apiPorts.get(each.name)}` })),
      externals: externalHosts.map(host),
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#kubelet?.stop()
    await Promise.all([...this.#agents.values(), this.#controllers].map(async (each) => each?.end('SIGTERM')))
    this.#client?.close()
    await this.#api?.close()
    for (const server of this.#servers) server.close()
    this.#control?.close()
    removeUnderlay(this.#plan.name)
  }

  async #startApiServer(authority: Authority): Promise<number> {
    const { fabricAddresses, fabricNetns, directory } = this.#plan
    const runtime = new LabPodRuntime(() => this.#kubelet)
    const api = createApiServer({ podRuntime: runtime, log: this.#log })
    this.#api = api
    const tls = await authority.issue({
      commonName: 'kube-apiserver',
      dnsNames: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
      addresses: ['127.0.0.1', ...fabricAddresses.map(String)],
    })
    const socket = join(directory, 'api.sock')
    await api.listen({ unixPath: socket, tls: { ...tls, clientCa: authority.cert } })
    for (const address of fabricAddresses) {
      const { server } = await proxyToUnixSocket(socket, { netns: fabricNetns, host: String(address), port: API_PORT })
      this.#servers.push(server)
    }
    const local = await proxyToUnixSocket(socket, { host: '127.0.0.1', port: 0 })
    this.#servers.push(local.server)
    for (const object of chartCrds()) api.apply(object)
    for (const object of defaultObjects(this.#plan)) api.apply(object)
    for (const host of this.#plan.nodeHosts) api.apply(nodeObject(host))
    for (const object of chartRights()) api.apply(object)
    return local.port
  }

  #startKubelet(client: ApiClient): void {
    const kubelet = new Kubelet({
      client,
      plan: this.#plan,
      log: this.#log,
      onAddresses: (node, addresses, present) => this.#routeExternals(node, addresses, present),
    })
    const scheduler = new Scheduler(client, this.#log)
    this.#kubelet = kubelet
    const { signal } = this.#stopping
    const nodes = (): Node[] => this.#api?.list('v1', 'Node') ?? []
    void watchObjects<LabPod>(client, RESOURCES.pods, {
      signal,
      log: this.#log,
      onObject: (pod) => {
        kubelet.onPod(pod)
        void scheduler.onPod(pod, nodes())
      },
      onGone: (pod) => {
        kubelet.onPodGone(pod)
        scheduler.onPodGone(pod)
      },
    })
  }

  /** Externals reach each pod through its node, as hosts behind a BGP-speaking router would. */
  #routeExternals(node: HostPlan, addresses: readonly string[], present: boolean): void {
    const change = async (external: HostPlan): Promise<void> => {
      await using socket = openRoute({ netns: external.netns })
      for (const text of addresses) {
        const address = Address.parse(text)
        const gateway = node.addresses.find(({ family }) => family === address.family)
        if (gateway === undefined) continue
        const route = { dst: Prefix.host(address), gateway }
        try {
          if (present) await socket.replaceRoute(route)
          else await socket.deleteRoute(route)
        } catch (error) {
          // Another pod's route may have taken its place already.
          if (!isErrno(error, 'ESRCH')) throw error
        }
      }
    }
    Promise.all(this.#plan.externalHosts.map(change)).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#log.error({ err: error }, 'the externals have no route to a pod')
    })
  }

  async #startControllers(authority: Authority): Promise<void> {
    const { directory, fabricNetns } = this.#plan
    const hub = await authority.issue({ commonName: HUB_SERVER_NAME, dnsNames: [HUB_SERVER_NAME] })
    const home = join(directory, 'kube-controllers')
    const environment = {
      MARGAY_KUBECONFIG: await this.#writeIdentity(home, 'margay-kube-controllers', authority),
      MARGAY_HUB_PORT: String(HUB_PORT),
      ...(await writeTls(home, hub, authority)),
      MARGAY_LEAK_GRACE_SECONDS: process.env['MARGAY_LAB_LEAK_GRACE_SECONDS'] ?? '900',
      MARGAY_RECONCILE_SECONDS: process.env['MARGAY_LAB_RECONCILE_SECONDS'] ?? '60',
    }
    const logFile = join(directory, 'logs', 'kube-controllers.log')
    this.#controllers = new NodeProcess({
      name: 'kube-controllers',
      netns: fabricNetns,
      command: 'kube-controllers',
      environment,
      logFile,
      log: this.#log,
    })
    this.#controllers.start()
  }

  async #startNode(host: HostPlan, authority: Authority): Promise<void> {
    const home = nodeDirectory(this.#plan, host)
    const client = await authority.issue({ commonName: `margay-agent-${host.name}` })
    const httpSocket = join(home, 'http.sock')
    const environment = {
      MARGAY_NODE_NAME: host.name,
      MARGAY_KUBECONFIG: await this.#writeIdentity(home, 'margay-agent', authority),
      MARGAY_HUB: `${this.#plan.fabricAddresses[0]}:${HUB_PORT}`,
      ...(await writeTls(home, client, authority)),
      MARGAY_HTTP_SOCKET: httpSocket,
      MARGAY_CNI_SOCKET: join(home, 'cni.sock'),
      MARGAY_CNI_QUEUE: join(home, 'cni-queue'),
      MARGAY_STATE_DIR: join(home, 'state'),
    }
    const logFile = join(this.#plan.directory, 'logs', `${host.name}.log`)
    const agent = new NodeProcess({
      name: host.name,
      netns: host.netns,
      command: 'agent',
      environment,
      logFile,
      log: this.#log,
    })
    this.#agents.set(host.name, agent)
    agent.start()
    const { server, port } = await proxyToUnixSocket(httpSocket, { host: '127.0.0.1', port: 0 })
    this.#servers.push(server)
    this.#apiPorts.set(host.name, port)
  }

  /** Writes a kubeconfig that works inside the lab. @returns its path */
  async #writeIdentity(home: string, user: string, authority: Authority): Promise<string> {
    mkdirSync(home, { recursive: true })
    const client = await authority.issue({ commonName: user })
    const path = join(home, 'kubeconfig')
    const server = `https://${this.#plan.fabricAddresses[0]}:${API_PORT}`
    await writeFile(path, kubeconfig({ name: this.#plan.name, server, ca: authority.cert, user, client }), {
      mode: 0o600,
    })
    return path
  }

  /** The agent says ready and, with `withSessions`, all its BGP sessions are up. @throws {LabError} LAB_NOT_READY */
  async #nodeReady(host: HostPlan, withSessions = true): Promise<void> {
    const base = `http://127.0.0.1:${this.#apiPorts.get(host.name)}`
    const sessions = withSessions ? (this.#plan.nodes - 1) * this.#plan.underlay.length : 0
    const deadline = performance.now() + READY_TIMEOUT_MS
    let why = 'no answer'
    while (performance.now() < deadline && this.#agents.get(host.name)?.running === true) {
      why = await whyNotReady(base, sessions)
      if (why === '') return
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
    }
    throw new LabError('LAB_NOT_READY', `${host.name} is not ready: ${why}; see ${join(this.#plan.directory, 'logs')}`)
  }

  async #startControl(): Promise<void> {
    const server = createServer((request, response) => {
      void this.#command(request.url ?? '').then(
        (result) => response.end(JSON.stringify(result ?? {})),
        (error: unknown) =>
          response
            .writeHead(400)
            .end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) })),
      )
    })
    this.#control = server
    await new Promise<void>((resolve) => server.listen(join(this.#plan.directory, 'control.sock'), resolve))
  }

  async #command(url: string): Promise<unknown> {
    const [, subject, target, action] = url.split('/')
    if (subject === 'describe') return this.describe()
    if (subject === 'pods') return this.#kubelet?.listing() ?? []
    if (subject === 'down') {
      setImmediate(() => process.kill(process.pid, 'SIGTERM'))
      return {}
    }
    const agent = target === 'kube-controllers' ? this.#controllers : this.#agents.get(target ?? '')
    if (subject !== 'nodes' || agent === undefined) {
      throw new LabError(
        'LAB_UNKNOWN_NODE',
        `no node ${target}: there are ${[...this.#agents.keys(), 'kube-controllers'].join(', ')}`,
      )
    }
    if (action === 'stop') return agent.end('SIGTERM')
    if (action === 'kill') return agent.end('SIGKILL')
    agent.start()
    const host = this.#plan.nodeHosts.find(({ name }) => name === target)
    // The other nodes may be down: their sessions are not waited for.
    return host === undefined ? {} : this.#nodeReady(host, false)
  }
}

/** Writes key, certificate and authority. @returns the environment that names them */
async function writeTls(home: string, pair: KeyPair, authority: Authority): Promise<Record<string, string>> {
  mkdirSync(home, { recursive: true })
  const files = { MARGAY_HUB_KEY_FILE: 'hub.key', MARGAY_HUB_CERT_FILE: 'hub.crt', MARGAY_HUB_CA_FILE: 'hub-ca.crt' }
  const texts = { MARGAY_HUB_KEY_FILE: pair.key, MARGAY_HUB_CERT_FILE: pair.cert, MARGAY_HUB_CA_FILE: authority.cert }
  const environment: Record<string, string> = {}
  for (const [variable, file] of Object.entries(files)) {
    const path = join(home, file)
    await writeFile(path, texts[variable as keyof typeof texts], { mode: 0o600 })
    environment[variable] = path
  }
  return environment
}

/** @returns '' when the agent is ready */
async function whyNotReady(base: string, sessions: number): Promise<string> {
  try {
    const ready = await fetch(`${base}/readyz`)
    const { reasons } = (await ready.json()) as { reasons: string[] }
    if (!ready.ok) return reasons.join('; ')
    if (sessions === 0) return ''
    const { peers } = (await (await fetch(`${base}/api/v1/bgp/peers`)).json()) as {
      peers: { address: string; state: string }[]
    }
    const down = peers
      .filter(({ state }) => state !== 'Established')
      .map(({ address, state }) => `BGP peer ${address} is ${state}`)
    if (peers.length < sessions) down.push(`${peers.length} of ${sessions} BGP peers`)
    return down.join('; ')
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
