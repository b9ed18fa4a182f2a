import type { Namespace, Pod, Protocol } from '@margay/model'
import { Address } from '@margay/net'
import { judge, podEnd, type World } from '@margay/policy'
import { type Expectation, unmetExpectations } from './expectations.ts'
import { LabFixture, type RunningPod } from './lab-fixture.ts'
import { namespace, pod } from './objects.ts'
import { ProbeServers } from './prober.ts'

/** Labels of the namespaces; `z` has none that the others have. */
const NAMESPACES: Readonly<Record<string, Record<string, string>>> = {
  x: { ns: 'x', env: 'prod' },
  y: { ns: 'y', env: 'dev' },
  z: { ns: 'z' },
}

/** Labels of the pods of each namespace; `c` has no tier. */
const PODS: Readonly<Record<string, Record<string, string>>> = {
  a: { pod: 'a', tier: 'web' },
  b: { pod: 'b', tier: 'db' },
  c: { pod: 'c' },
}

/** Two pods of a namespace share a node, or none do; every node has three. */
const NODE_OF: Readonly<Record<string, string>> = {
  'x/a': 'node1',
  'x/b': 'node1',
  'x/c': 'node2',
  'y/a': 'node2',
  'y/b': 'node3',
  'y/c': 'node3',
  'z/a': 'node1',
  'z/b': 'node2',
  'z/c': 'node3',
}

/** `namespace/name` of each pod, in the order of the tables written by hand. */
export const POD_KEYS = Object.keys(NODE_OF)

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP']
const PORTS: readonly number[] = [80, 81]
const FAMILIES = [4, 6] as const

/** One connection of the matrix, without its address family. */
export interface Attempt {
  readonly from: string
  readonly to: string
  readonly protocol: Protocol
  readonly port: number
}

/** Every attempt: 81 pairs of pods, three protocols, two ports. */
export const ATTEMPTS: readonly Attempt[] = POD_KEYS.flatMap((from) =>
  POD_KEYS.flatMap((to) => PROTOCOLS.flatMap((protocol) => PORTS.map((port) => ({ from, to, protocol, port })))),
)

/** Every port has a name of its own; `varying` is 80 in pods `a`, 81 in pods `b`, and `c` has none. */
function containerPorts(name: string): { name: string; containerPort: number; protocol: string }[] {
  const ports = PROTOCOLS.flatMap((protocol) =>
    PORTS.map((port) => ({ name: `serve-${port}-${protocol.toLowerCase()}`, containerPort: port, protocol })),
  )
  if (name === 'c') return ports
  return [...ports, { name: 'varying', containerPort: name === 'a' ? 80 : 81, protocol: 'TCP' }]
}

/** The lab of the policy matrix: nine pods in three namespaces, on three nodes, each with its probe server. */
export class MatrixCluster implements AsyncDisposable {
  readonly lab: LabFixture
  readonly #servers = new ProbeServers()
  #running = new Map<string, RunningPod>()
  #pods: Pod[] = []
  #namespaces: Namespace[] = []

  private constructor(lab: LabFixture) {
    this.lab = lab
  }

  static async up(): Promise<MatrixCluster> {
    const cluster = new MatrixCluster(await LabFixture.up({ purpose: 'matrix', nodes: 3 }))
    const namespaces = Object.entries(NAMESPACES).map(([name, labels]) => namespace(name, labels))
    await cluster.lab.apply([...namespaces, ...POD_KEYS.map(podObject)])
    await cluster.lab.waitForPods()
    await cluster.#findPods()
    await cluster.refresh()
    return cluster
  }

  /** The address of a pod, by its key. */
  address(key: string, family: 4 | 6): string {
    const found = this.#running.get(key)?.ips.find((ip) => Address.parse(ip).family === family)
    if (found === undefined) throw new Error(`${key} has no IPv${family} address`)
    return found
  }

  /** Deletes a pod and makes it again, under the same name and with its first labels. */
  async recreate(key: string): Promise<void> {
    const old = this.#running.get(key)
    if (old !== undefined) await this.#servers.stop(old.netns)
    await this.lab.delete([podObject(key)])
    await this.lab.apply([podObject(key)])
    await this.lab.waitForPods()
    await this.#findPods()
  }

  /** Reads pods and namespaces again, after a change of theirs. */
  async refresh(): Promise<void> {
    this.#pods = (await this.lab.list('/api/v1/pods')).items as Pod[]
    this.#namespaces = (await this.lab.list('/api/v1/namespaces')).items
  }

  /** Waits until every node enforces what there is now. */
  async settle(): Promise<World> {
    const policies = await this.lab.list('/apis/networking.k8s.io/v1/networkpolicies')
    await this.lab.sync(policies.resourceVersion)
    return { pods: this.#pods, namespaces: this.#namespaces, policies: policies.items }
  }

  /** Makes every attempt over both families. @returns what went otherwise than `allowed` says */
  async surprises(allowed: (attempt: Attempt, family: 4 | 6) => boolean): Promise<string[]> {
    const expectations = FAMILIES.flatMap((family) =>
      ATTEMPTS.map((attempt): Expectation => {
        const { from, to, protocol, port } = attempt
        return {
          probe: { netns: this.#running.get(from)?.netns ?? '', protocol, port, address: this.address(to, family) },
          allowed: allowed(attempt, family),
          label: `${from} → ${to}`,
          // Nobody between two pods changes an address.
          source: this.address(from, family),
        }
      }),
    )
    // Every node has said that it enforces the policies: what comes through now is a leak.
    return unmetExpectations(expectations, { forgiveLeaks: false })
  }

  /** Finds the namespaces of the pods, and starts the servers that they lack. */
  async #findPods(): Promise<void> {
    const known = new Set([...this.#running.values()].map(({ netns }) => netns))
    this.#running = new Map((await this.lab.pods()).map((each) => [`${each.namespace}/${each.name}`, each]))
    const started = [...this.#running.values()].filter(({ netns }) => !known.has(netns))
    await Promise.all(started.map(async ({ netns }) => this.#servers.start(netns, PORTS)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
    await this.lab.down()
  }
}

function podObject(key: string): object {
  const [ns = '', name = ''] = key.split('/')
  return pod(name, { namespace: ns, node: NODE_OF[key] ?? '', labels: PODS[name] ?? {}, ports: containerPorts(name) })
}

/** What the oracle says. A pod reaches itself without leaving itself, whatever policies say. */
export function oracleAllows(world: World, { from, to, protocol, port }: Attempt, family: 4 | 6): boolean {
  if (from === to) return true
  const verdict = judge(world, { from: endOf(world, from, family), to: endOf(world, to, family), protocol, port })
  return verdict.allowed
}

function endOf(world: World, key: string, family: 4 | 6): NonNullable<ReturnType<typeof podEnd>> {
  const found = world.pods.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key)
  const end = found === undefined ? undefined : podEnd(found, family)
  if (end === undefined) throw new Error(`${key} has no IPv${family} address`)
  return end
}
