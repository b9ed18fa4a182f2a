import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { type ApiServer, createApiServer, type KubeObject, type Listener } from '@margay/apiserver'
import { Bus } from '@margay/bus'
import { ApiClient, ClusterFeed } from '@margay/datastore'
import { Allocator } from '@margay/ipam'
import { CLUSTER_TABLES, type ClusterTopics } from '@margay/model'
import { parseAllDocuments } from 'yaml'

const CRDS = join(import.meta.dirname, '../../../charts/margay/crds')

/** What the controllers have told, for tests that ask. */
export class TestLog {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[] = []
  readonly info = this.#at('info')
  readonly warn = this.#at('warn')
  readonly error = this.#at('error')

  #at(level: string): (fields: object, message: string) => void {
    return (fields, message) => void this.lines.push({ level, message, fields })
  }
}

/** A real API server in this process with Margay's kinds, and the parts that controllers are made of. */
export class TestApi implements AsyncDisposable {
  readonly server: ApiServer
  readonly client: ApiClient
  readonly allocator: Allocator
  readonly bus = new Bus<ClusterTopics>()
  readonly log = new TestLog()
  readonly #url: string
  readonly #feed: ClusterFeed
  readonly #running: Promise<void>

  private constructor(server: ApiServer, { url }: Listener) {
    this.server = server
    this.#url = url
    this.client = this.newClient()
    this.allocator = new Allocator(this.client)
    this.#feed = new ClusterFeed(this.bus, { client: this.client, log: this.log })
    this.#running = this.#feed.run()
  }

  /** @param objects what is there from the beginning @returns when the bus holds the cluster */
  static async start(objects: readonly KubeObject[] = []): Promise<TestApi> {
    const server = createApiServer({ tokens: { secret: { username: 'admin', groups: ['system:masters'] } } })
    for (const file of readdirSync(CRDS)) {
      const documents = parseAllDocuments(readFileSync(join(CRDS, file), 'utf8'))
      for (const document of documents) server.apply(document.toJS() as KubeObject)
    }
    for (const object of objects) server.apply(object)
    const api = new TestApi(server, await server.listen({ tcp: { host: '127.0.0.1', port: 0 } }))
    await Promise.all(CLUSTER_TABLES.map(async (name) => api.#inSync(name)))
    return api
  }

  newClient(): ApiClient {
    const config = new KubeConfig()
    const cluster = { name: 'test', server: this.#url, skipTLSVerify: true }
    config.loadFromClusterAndUser(cluster, { name: 'admin', token: 'secret' })
    return new ApiClient(config)
  }

  get parts(): { client: ApiClient; bus: Bus<ClusterTopics>; allocator: Allocator; log: TestLog } {
    return { client: this.client, bus: this.bus, allocator: this.allocator, log: this.log }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#feed.stop()
    await this.#running
    this.client.close()
    await this.server.close()
  }

  async #inSync(name: (typeof CLUSTER_TABLES)[number]): Promise<void> {
    using subscription = this.bus.table(name).subscribe()
    for (let batch = await subscription.next(); batch?.inSync === false; ) batch = await subscription.next()
  }
}

const CALICO = 'projectcalico.org/v3'

export const ipPool = (name: string, spec: object): KubeObject => ({
  apiVersion: CALICO,
  kind: 'IPPool',
  metadata: { name },
  spec,
})

export const node = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })

/** @param ips annotated as the CNI server does */
export const pod = (name: string, ips: readonly string[]): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', annotations: { 'cni.projectcalico.org/podIPs': ips.join(',') } },
  spec: { nodeName: 'node1', containers: [{ name: 'main', image: 'x' }] },
})
