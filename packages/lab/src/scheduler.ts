import { type ApiClient, ApiError, RESOURCES } from '@margay/datastore'
import type { Node } from '@margay/model'
import type { Logger } from 'pino'
import type { LabPod } from './lab-pod.ts'

/** Gives each pod without a node the one that has the fewest pods and the labels that it asks for. */
export class Scheduler {
  readonly #client: ApiClient
  readonly #log: Logger
  readonly #placed = new Map<string, string>()

  constructor(client: ApiClient, log: Logger) {
    this.#client = client
    this.#log = log
  }

  /** @param nodes the nodes that there are @returns once the pod is bound, or cannot be */
  async onPod(pod: LabPod, nodes: readonly Node[]): Promise<void> {
    const { uid = '', name, namespace = '' } = pod.metadata
    const { nodeName, nodeSelector = {} } = pod.spec
    if (nodeName !== undefined && nodeName !== '') {
      this.#placed.set(uid, nodeName)
      return
    }
    if (this.#placed.has(uid) || pod.metadata.deletionTimestamp !== undefined) return
    const fitting = nodes.filter(({ metadata }) =>
      Object.entries(nodeSelector).every(([key, value]) => metadata.labels?.[key] === value),
    )
    const [chosen] = fitting
      .map((node) => node.metadata.name)
      .toSorted((a, b) => this.#load(a) - this.#load(b) || (a < b ? -1 : 1))
    if (chosen === undefined) {
      this.#log.warn({ pod: `${namespace}/${name}`, nodeSelector }, 'no node fits a pod')
      return
    }
    this.#placed.set(uid, chosen)
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace },
      target: { apiVersion: 'v1', kind: 'Node', name: chosen },
    }
    try {
      await this.#client.createSubresource(RESOURCES.pods, { namespace, name }, 'binding', binding)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#placed.delete(uid)
      this.#log.warn({ pod: `${namespace}/${name}`, error: error.message }, 'a pod could not be bound')
    }
  }

  onPodGone(pod: LabPod): void {
    this.#placed.delete(pod.metadata.uid ?? '')
  }

  #load(node: string): number {
    return [...this.#placed.values()].filter((each) => each === node).length
  }
}
