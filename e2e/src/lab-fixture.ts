import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { KubernetesObject } from '@margay/model'
import { type RunOptions, runProgram } from './run-program.ts'

const ROOT = join(import.meta.dirname, '../..')
const MARGAY = join(ROOT, 'node_modules/.bin/margay')
const KUBECTL = join(ROOT, 'node_modules/.cache/margay/bin/kubectl')
const PATH = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
const SYNC_TIMEOUT_MS = 30_000

export interface LabHost {
  readonly name: string
  readonly netns: string
  readonly ip: string
  readonly ip6: string
}

export interface LabNode extends LabHost {
  /** Base address of the agent's HTTP API. */
  readonly api: string
}

/** A pod that runs, as `margay lab pods` lists it. */
export interface RunningPod {
  readonly namespace: string
  readonly name: string
  readonly node: string
  readonly netns: string
  readonly ips: readonly string[]
}

interface Description {
  readonly name: string
  readonly kubeconfig: string
  readonly nodes: readonly LabNode[]
  readonly externals: readonly LabHost[]
}

/** A lab that lives as long as a test file, used through the same programs that a person would use. */
export class LabFixture {
  readonly nodes: readonly LabNode[]
  readonly externals: readonly LabHost[]
  readonly name: string
  readonly kubeconfig: string
  readonly #home: string

  private constructor({ name, kubeconfig, nodes, externals }: Description, home: string) {
    this.name = name
    this.kubeconfig = kubeconfig
    this.nodes = nodes
    this.externals = externals
    this.#home = home
  }

  /** @param options.purpose becomes, with this process's id, the lab's name @returns when the cluster is ready */
  static async up(options: { purpose: string; nodes?: number; externals?: number }): Promise<LabFixture> {
    const { purpose, nodes = 3, externals = 0 } = options
    const name = `${purpose}-${process.pid}`
    const home = await mkdtemp(join(tmpdir(), `margay-e2e-${name}-`))
    const counts = ['--nodes', String(nodes), '--externals', String(externals)]
    const text = await margay(['up', '--name', name, ...counts, '--ipv6', '--json'])
    return new LabFixture(JSON.parse(text) as Description, home)
  }

  async down(): Promise<void> {
    await margay(['down', '--name', this.name])
    await rm(this.#home, { recursive: true, force: true })
  }

  node(name: string): LabNode {
    return found(this.nodes, (each) => each.name === name, `node ${name}`)
  }

  external(name: string): LabHost {
    return found(this.externals, (each) => each.name === name, `external ${name}`)
  }

  /** Runs the real kubectl. @returns its stdout @throws {ProgramError} */
  async kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    // A home and a cache of its own: nothing of the user's is read or written.
    const env = { PATH, HOME: this.#home, KUBECONFIG: this.kubeconfig }
    return runProgram([KUBECTL, '--cache-dir', join(this.#home, 'cache'), ...args], { ...options, env })
  }

  /** One `kubectl apply -f -` for all `objects`; YAML is taken as it is. */
  async apply(objects: string | readonly object[]): Promise<void> {
    await this.kubectl(['apply', '-f', '-'], { input: manifest(objects) })
  }

  /** One `kubectl delete -f -`; waits until they are gone. */
  async delete(objects: string | readonly object[]): Promise<void> {
    await this.kubectl(['delete', '--ignore-not-found', '--timeout=60s', '-f', '-'], { input: manifest(objects) })
  }

  async waitForPods(): Promise<void> {
    await this.kubectl(['wait', '--for=condition=Ready', 'pod', '--all', '--all-namespaces', '--timeout=200s'])
  }

  async pods(): Promise<RunningPod[]> {
    return JSON.parse(await margay(['pods', '--name', this.name, '--json'])) as RunningPod[]
  }

  /** @param key `namespace/name` */
  async pod(key: string): Promise<RunningPod> {
    return found(await this.pods(), ({ namespace, name }) => `${namespace}/${name}` === key, `pod ${key}`)
  }

  /** The objects of one API path, and the resourceVersion at which they were read. */
  async list(path: string): Promise<{ items: KubernetesObject[]; resourceVersion: string }> {
    const text = await this.kubectl(['get', '--raw', path])
    const { items, metadata } = JSON.parse(text) as { items: KubernetesObject[]; metadata: { resourceVersion: string } }
    return { items, resourceVersion: metadata.resourceVersion }
  }

  /**
   * Resolves when everything up to `resourceVersion` is in the kernel of every node.
   * Default: everything that the API server has accepted so far.
   */
  async sync(resourceVersion?: string): Promise<void> {
    const target = resourceVersion ?? (await this.list('/api/v1/namespaces?limit=1')).resourceVersion
    await Promise.all(this.nodes.map(async (node) => syncNode(node, target)))
  }

  /** Resolves when every node has all its BGP sessions, and keeps no route for a peer that has yet to confirm it. */
  async bgpSettled(timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (const node of this.nodes) {
      for (let why = await this.#unsettled(node); why !== undefined; why = await this.#unsettled(node)) {
        if (performance.now() > deadline) throw new Error(`BGP on ${node.name}: ${why}`)
        await delay(100)
      }
    }
  }

  async #unsettled({ api }: LabNode): Promise<string | undefined> {
    type Peer = { address: string; state: string; gracefulRestart: { retainedFamilies: readonly string[] } }
    const { peers } = await getJson<{ peers: Peer[] }>(`${api}/api/v1/bgp/peers`)
    const { inSync } = await getJson<{ inSync: boolean }>(`${api}/api/v1/bgp/routes`)
    // A session for each family of each other node.
    const missing = 2 * (this.nodes.length - 1) - peers.length
    const waiting = peers.filter(
      (each) => each.state !== 'Established' || each.gracefulRestart.retainedFamilies.length > 0,
    )
    if (inSync && missing === 0 && waiting.length === 0) return undefined
    return `inSync ${inSync}, ${missing} peers missing, ${waiting.map(({ address, state }) => `${address} ${state}`).join(', ')}`
  }

  /** SIGTERM, SIGKILL or start for a node's agent; `start` resolves when the agent is ready. */
  async agent(action: 'stop' | 'kill' | 'start', node: string): Promise<void> {
    await margay(['node', action, '--name', this.name, node])
  }

  /** What the process of `node` (or `kube-controllers`, or `lab`) has logged. */
  logFile(node: string): string {
    return `/run/margay/labs/${this.name}/logs/${node}.log`
  }
}

/** What an agent's HTTP API says. */
export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

async function syncNode({ name, api }: LabNode, resourceVersion: string): Promise<void> {
  const url = `${api}/api/v1/sync?resourceVersion=${resourceVersion}&timeout=${SYNC_TIMEOUT_MS}`
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${name} is not in sync: ${await response.text()}`)
  await response.body?.cancel()
}

async function margay(args: readonly string[]): Promise<string> {
  return runProgram([MARGAY, 'lab', ...args], { env: { PATH }, timeoutMs: 120_000 })
}

function manifest(objects: string | readonly object[]): string {
  return typeof objects === 'string' ? objects : objects.map((object) => JSON.stringify(object)).join('\n---\n')
}

function found<T>(items: readonly T[], matches: (item: T) => boolean, what: string): T {
  const item = items.find(matches)
  if (item === undefined) throw new Error(`there is no ${what}`)
  return item
}
