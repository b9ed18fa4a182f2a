import { type Expectation, unmetExpectations } from './expectations.ts'
import { LabFixture, type RunningPod } from './lab-fixture.ts'
import { networkPolicy, pod } from './objects.ts'
import { ProbeServers } from './prober.ts'
import { runIn } from './run-program.ts'

const PORT = 7000

/** A lab with two pods that talk, and a way to tell that it still does everything that it should. */
export class GoodCluster implements AsyncDisposable {
  readonly lab: LabFixture
  readonly #servers = new ProbeServers()
  #client: RunningPod | undefined
  #server: RunningPod | undefined
  #processes = ''
  #newPods = 0

  private constructor(lab: LabFixture) {
    this.lab = lab
  }

  static async up(purpose: string): Promise<GoodCluster> {
    const cluster = new GoodCluster(await LabFixture.up({ purpose, nodes: 3, externals: 1 }))
    await cluster.lab.apply([
      pod('good-a', { node: 'node1', labels: { app: 'a' } }),
      pod('good-b', { node: 'node2', labels: { app: 'b' } }),
    ])
    await cluster.lab.waitForPods()
    const running = await cluster.lab.pods()
    cluster.#client = named(running, 'good-a')
    cluster.#server = named(running, 'good-b')
    await cluster.#servers.start(cluster.#server.netns, [PORT])
    cluster.#processes = await cluster.#startTimes()
    return cluster
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
    await this.lab.down()
  }

  /**
   * Every process is the one that it was and says that it is ready; traffic passes; a new pod on each node gets its
   * network; a new policy takes hold and goes again. @returns what of this is not so
   */
  async complaints(): Promise<string[]> {
    const complaints: string[] = []
    const processes = await this.#startTimes()
    if (processes !== this.#processes) complaints.push(`processes were ${this.#processes}, are ${processes}`)
    for (const { name, api } of this.lab.nodes) {
      const response = await fetch(`${api}/healthz`)
      if (!response.ok) complaints.push(`${name}: ${await response.text()}`)
      else await response.body?.cancel()
    }
    const from = [...this.#clients(), ...(await this.#newPodsOnAllNodes())]
    complaints.push(...(await this.#traffic(from, true, 'before the policy')))
    const policy = networkPolicy('default/deny-b', { podSelector: { matchLabels: { app: 'b' } }, ingress: [] })
    await this.lab.apply([policy])
    await this.lab.sync()
    complaints.push(...(await this.#traffic(from, false, 'under the policy')))
    await this.lab.delete([policy])
    await this.lab.sync()
    complaints.push(...(await this.#traffic(from, true, 'after the policy')))
    await this.lab.kubectl(['delete', 'pods', '--selector', 'new=yes', '--now', '--wait=false'])
    return complaints
  }

  /** Whether good-a reaches good-b, as expected. @returns what is not so */
  async traffic(allowed: boolean): Promise<string[]> {
    return this.#traffic(this.#clients(), allowed, 'now')
  }

  /** The processes of an agent or kube-controllers that have run before are others now. */
  async acceptProcesses(): Promise<void> {
    this.#processes = await this.#startTimes()
  }

  #clients(): RunningPod[] {
    return this.#client === undefined ? [] : [this.#client]
  }

  async #newPodsOnAllNodes(): Promise<RunningPod[]> {
    const round = ++this.#newPods
    const names = this.lab.nodes.map(({ name }) => ({ name: `new-${round}-${name}`, node: name }))
    await this.lab.apply(names.map(({ name, node }) => pod(name, { node, labels: { new: 'yes' } })))
    await this.lab.kubectl(['wait', '--for=condition=Ready', 'pod', '--selector', 'new=yes', '--timeout=60s'])
    await this.lab.sync()
    const running = await this.lab.pods()
    return names.map(({ name }) => named(running, name))
  }

  async #traffic(from: readonly RunningPod[], allowed: boolean, when: string): Promise<string[]> {
    const expectations = from.flatMap(({ name, netns }) =>
      (this.#server?.ips ?? []).map(
        (address): Expectation => ({
          probe: { netns, protocol: 'TCP', address, port: PORT },
          allowed,
          label: `${name} to good-b ${when}`,
        }),
      ),
    )
    return unmetExpectations(expectations)
  }

  async #startTimes(): Promise<string> {
    const agents = this.lab.nodes.map(async ({ name, api }) => {
      const metrics = await (await fetch(`${api}/metrics`)).text()
      return `${name} ${startTime(metrics)}`
    })
    const fabric = `mgy-${this.lab.name}-fabric`
    const metrics = await runIn(fabric, ['wget', '-q', '-O', '-', 'http://127.0.0.1:9094/metrics'])
    return [...(await Promise.all(agents)), `kube-controllers ${startTime(metrics)}`].join(', ')
  }
}

function named(pods: readonly RunningPod[], name: string): RunningPod {
  const found = pods.find((each) => each.name === name)
  if (found === undefined) throw new Error(`there is no pod ${name}`)
  return found
}

function startTime(metrics: string): string {
  const [, value] = /^process_start_time_seconds (\S+)$/m.exec(metrics) ?? []
  if (value === undefined) throw new Error(`no process_start_time_seconds in ${metrics.slice(0, 200)}`)
  return value
}
