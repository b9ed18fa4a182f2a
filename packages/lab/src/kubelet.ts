import { type ApiClient, ApiError, RESOURCES } from '@margay/datastore'
import { objectKey } from '@margay/model'
import type { Logger } from 'pino'
import { CniCaller } from './cni-caller.ts'
import { type HostPlan, type LabPlan, netnsPrefix } from './lab-plan.ts'
import type { LabPod } from './lab-pod.ts'
import { PodWorker } from './pod-worker.ts'

/** One running pod, as `margay lab pods` prints it. */
export interface PodListing {
  readonly namespace: string
  readonly name: string
  readonly node: string
  readonly netns: string
  readonly ips: readonly string[]
}

/** Runs the pods of every node: small enough to read, real enough for CNI. */
export class Kubelet {
  readonly #client: ApiClient
  readonly #plan: LabPlan
  readonly #log: Logger
  readonly #workers = new Map<string, PodWorker>()
  readonly #pods = new Map<string, LabPod>()
  readonly #onAddresses: (node: HostPlan, addresses: readonly string[], present: boolean) => void

  constructor(options: {
    client: ApiClient
    plan: LabPlan
    log: Logger
    onAddresses: (node: HostPlan, addresses: readonly string[], present: boolean) => void
  }) {
    this.#client = options.client
    this.#plan = options.plan
    this.#log = options.log
    this.#onAddresses = options.onAddresses
  }

  /** The pod's worker, for exec and logs. */
  worker(uid: string): PodWorker | undefined {
    return this.#workers.get(uid)
  }

  listing(): PodListing[] {
    return [...this.#pods].flatMap(([uid, pod]) => {
      const worker = this.#workers.get(uid)
      const { namespace = '', name } = pod.metadata
      return worker === undefined
        ? []
        : [{ namespace, name, node: pod.spec.nodeName ?? '', netns: worker.netns, ips: worker.addresses }]
    })
  }

  /** The object of a pod, new or changed. */
  onPod(pod: LabPod): void {
    const uid = pod.metadata.uid ?? ''
    const worker = this.#workers.get(uid)
    this.#pods.set(uid, pod)
    if (worker !== undefined) return worker.update(pod)
    const host = this.#plan.nodeHosts.find(({ name }) => name === pod.spec.nodeName)
    if (host === undefined || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') {
      if (pod.metadata.deletionTimestamp !== undefined) void this.#forget(pod)
      return
    }
    if (pod.metadata.deletionTimestamp !== undefined) return void this.#forget(pod)
    const node = nodeDirectory(this.#plan, host)
    const started = new PodWorker(pod, {
      client: this.#client,
      cni: new CniCaller({ socket: `${node}/cni.sock`, queue: `${node}/cni-queue` }),
      host,
      directory: node,
      netnsPrefix: netnsPrefix(this.#plan.name),
      log: this.#log,
      onAddresses: (addresses, present) => this.#onAddresses(host, addresses, present),
    })
    this.#workers.set(uid, started)
    void started.finished.then(() => {
      this.#workers.delete(uid)
      this.#pods.delete(uid)
    })
  }

  /** The object is gone: so is what ran for it. */
  onPodGone(pod: LabPod): void {
    this.#workers.get(pod.metadata.uid ?? '')?.stop()
    this.#pods.delete(pod.metadata.uid ?? '')
  }

  /** Ends every pod, without their objects. */
  async stop(): Promise<void> {
    const workers = [...this.#workers.values()]
    for (const worker of workers) worker.stop()
    await Promise.all(workers.map(({ finished }) => finished))
  }

  /** A pod that never ran here: its end needs nobody's work. */
  async #forget(pod: LabPod): Promise<void> {
    const { name, namespace, uid } = pod.metadata
    try {
      await this.#client.delete(RESOURCES.pods, { namespace, name }, { uid }, { gracePeriodSeconds: 0 })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#log.debug({ pod: objectKey(pod.metadata), error: error.message }, 'a pod was gone already')
    }
  }
}

/** Where a node's agent and its pods keep their files. */
export function nodeDirectory(plan: LabPlan, host: HostPlan): string {
  return `${plan.directory}/nodes/${host.name}`
}
