import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ApiClient, ApiError, RESOURCES } from '@margay/datastore'
import { createNetns, deleteNetns } from '@margay/netlink'
import type { Logger } from 'pino'
import type { CniCaller } from './cni-caller.ts'
import { Container, type Exit } from './container.ts'
import type { HostPlan } from './lab-plan.ts'
import type { LabPod } from './lab-pod.ts'

export interface PodWorkerOptions {
  readonly client: ApiClient
  readonly cni: CniCaller
  readonly host: HostPlan
  readonly directory: string
  /** Names of pods' namespaces begin so. */
  readonly netnsPrefix: string
  readonly log: Logger
  /** The pod has its addresses, or no longer has them. */
  onAddresses(addresses: readonly string[], present: boolean): void
}

interface Slot {
  readonly spec: LabPod['spec']['containers'][number]
  container: Container | undefined
  lastExit: Exit | undefined
  restarts: number
}

const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 10_000
/** The lab has no patience for programs that ignore SIGTERM. */
const MAX_GRACE_MS = 2_000

/** Runs one pod from its namespace to its end, and reports its status. */
export class PodWorker {
  readonly finished: Promise<void>
  readonly netns: string
  readonly #options: PodWorkerOptions
  readonly #directory: string
  readonly #slots: Slot[]
  readonly #stopping = Promise.withResolvers<void>()
  #pod: LabPod
  #addresses: readonly string[] = []
  #stopped = false

  constructor(pod: LabPod, options: PodWorkerOptions) {
    this.#pod = pod
    this.#options = options
    const id = (pod.metadata.uid ?? '').replaceAll('-', '')
    this.netns = pod.spec.hostNetwork === true ? options.host.netns : `${options.netnsPrefix}p-${id.slice(0, 12)}`
    this.#directory = join(options.directory, 'pods', pod.metadata.uid ?? '')
    this.#slots = pod.spec.containers.map((spec) => ({ spec, container: undefined, lastExit: undefined, restarts: 0 }))
    this.finished = this.#run()
  }

  get addresses(): readonly string[] {
    return this.#addresses
  }

  /** The container of that name, or the first. */
  container(name: string): Container | undefined {
    return (this.#slots.find(({ spec }) => spec.name === name) ?? this.#slots[0])?.container
  }

  logFile(container: string): string {
    return join(this.#directory, `${container}.log`)
  }

  /** The pod's object changed. */
  update(pod: LabPod): void {
    this.#pod = pod
    if (pod.metadata.deletionTimestamp !== undefined) this.stop()
  }

  stop(): void {
    this.#stopped = true
    this.#stopping.resolve()
  }

  async #run(): Promise<void> {
    const { log } = this.#options
    const { name, namespace } = this.#pod.metadata
    try {
      if (await this.#setUp()) await this.#supervise()
    } catch (error) {
      log.error({ err: error, pod: `${namespace}/${name}` }, 'a pod could not be run')
      await this.#stopping.promise
    }
    await this.#tearDown()
  }

  /** @returns false when the pod was deleted before it had its network */
  async #setUp(): Promise<boolean> {
    await mkdir(this.#directory, { recursive: true })
    if (this.#pod.spec.hostNetwork === true) {
      this.#addresses = this.#options.host.addresses.map(String)
    } else {
      createNetns(this.netns)
      if (!(await this.#addNetwork())) return false
      this.#options.onAddresses(this.#addresses, true)
    }
    await this.#writeFiles()
    for (const slot of this.#slots) this.#start(slot)
    await Promise.all(this.#slots.map(async ({ container }) => container?.ready()))
    await this.#report()
    return true
  }

  async #addNetwork(): Promise<boolean> {
    for (let tries = 0; !this.#stopped; tries++) {
      try {
        const { ips = [] } = await this.#options.cni.call(this.#cniCall('ADD'))
        this.#addresses = ips.map(({ address }) => address.split('/', 1)[0] ?? '')
        return true
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        this.#options.log.warn({ pod: this.#pod.metadata.name, error: message }, 'no network for a pod as yet')
        await this.#reportWaiting(message)
        await this.#takeBack()
        await this.#pause(Math.min(FIRST_RETRY_MS * 2 ** tries, MAX_RETRY_MS))
      }
    }
    return false
  }

  /** After an ADD that failed comes a DEL, as with every runtime. */
  async #takeBack(): Promise<void> {
    try {
      await this.#options.cni.call(this.#cniCall('DEL'))
    } catch (error) {
      this.#options.log.warn({ pod: this.#pod.metadata.name, error: String(error) }, 'a failed ADD was not taken back')
    }
  }

  #cniCall(command: 'ADD' | 'DEL'): Parameters<CniCaller['call']>[0] {
    const { name, namespace = '', uid = '' } = this.#pod.metadata
    const netns = `/run/netns/${this.netns}`
    return { command, containerId: uid.replaceAll('-', ''), netns, namespace, pod: name, uid }
  }

  async #writeFiles(): Promise<void> {
    const { namespace, name } = this.#pod.metadata
    await writeFile(
      join(this.#directory, 'resolv.conf'),
      `search ${namespace}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n`,
    )
    const own = this.#addresses.map((address) => `${address}\t${this.#pod.spec.hostname ?? name}\n`)
    await writeFile(
      join(this.#directory, 'hosts'),
      `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n${own.join('')}`,
    )
  }

  #start(slot: Slot): void {
    slot.container = new Container(slot.spec, {
      netns: this.netns,
      hostname: this.#pod.spec.hostname ?? this.#pod.metadata.name,
      resolvConf: join(this.#directory, 'resolv.conf'),
      hosts: join(this.#directory, 'hosts'),
      logFile: this.logFile(slot.spec.name),
    })
  }

  /** Restarts what ends, as restartPolicy says, until the pod is to stop. */
  async #supervise(): Promise<void> {
    await Promise.race([this.#stopping.promise, Promise.all(this.#slots.map(async (slot) => this.#keepRunning(slot)))])
    await this.#stopping.promise
  }

  async #keepRunning(slot: Slot): Promise<void> {
    const { restartPolicy = 'Always' } = this.#pod.spec
    while (!this.#stopped && slot.container !== undefined) {
      const exit = await slot.container.exited
      if (this.#stopped) return
      slot.lastExit = exit
      slot.container = undefined
      await this.#report()
      if (restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && exit.exitCode === 0)) return
      await this.#pause(Math.min(FIRST_RETRY_MS * 2 ** slot.restarts, MAX_RETRY_MS))
      if (this.#stopped) return
      slot.restarts++
      this.#start(slot)
      await this.#report()
    }
  }

  async #pause(ms: number): Promise<void> {
    const timer = Promise.withResolvers<void>()
    const handle = setTimeout(timer.resolve, ms)
    await Promise.race([timer.promise, this.#stopping.promise])
    clearTimeout(handle)
  }

  async #tearDown(): Promise<void> {
    const { log, client } = this.#options
    const { name, namespace, uid } = this.#pod.metadata
    const grace = Math.min((this.#pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000, MAX_GRACE_MS)
    await Promise.all(this.#slots.map(async ({ container }) => container?.stop(grace)))
    try {
      if (this.#pod.spec.hostNetwork !== true) {
        await this.#options.cni.call(this.#cniCall('DEL'))
        deleteNetns(this.netns)
        this.#options.onAddresses(this.#addresses, false)
      }
      await rm(this.#directory, { recursive: true, force: true })
      await client.delete(RESOURCES.pods, { namespace, name }, { uid }, { gracePeriodSeconds: 0 })
    } catch (error) {
      const isGone = error instanceof ApiError && (error.code === 'API_NOT_FOUND' || error.code === 'API_CONFLICT')
      if (!isGone) log.error({ err: error, pod: `${namespace}/${name}` }, 'a pod could not be taken down whole')
    }
  }

  async #reportWaiting(message: string): Promise<void> {
    const waiting = { reason: 'ContainerCreating', message }
    const containerStatuses = this.#slots.map(({ spec }) => ({
      name: spec.name,
      image: spec.image,
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { waiting },
    }))
    await this.#patchStatus({ phase: 'Pending', containerStatuses, ...this.#hostIps() })
  }

  async #report(): Promise<void> {
    const { restartPolicy = 'Always' } = this.#pod.spec
    const statuses = this.#slots.map((slot) => containerStatus(slot))
    const ended = this.#slots.every(({ container, lastExit }) => {
      const isFinal = restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && lastExit?.exitCode === 0)
      return container === undefined && lastExit !== undefined && isFinal
    })
    const failed = this.#slots.some(({ lastExit }) => lastExit !== undefined && lastExit.exitCode !== 0)
    const phase = ended ? (failed ? 'Failed' : 'Succeeded') : 'Running'
    const ready = !ended && statuses.every((status) => status.ready)
    const now = new Date().toISOString().replace(/\.\d+/, '')
    const condition = (type: string, isTrue: boolean): object => ({
      type,
      status: isTrue ? 'True' : 'False',
      lastTransitionTime: now,
    })
    await this.#patchStatus({
      phase,
      startTime: this.#pod.metadata.creationTimestamp,
      ...this.#hostIps(),
      podIP: this.#addresses[0],
      podIPs: this.#addresses.map((ip) => ({ ip })),
      containerStatuses: statuses,
      conditions: [
        condition('PodScheduled', true),
        condition('PodReadyToStartContainers', true),
        condition('Initialized', true),
        condition('ContainersReady', ready),
        condition('Ready', ready),
      ],
    })
  }

  #hostIps(): object {
    const addresses = this.#options.host.addresses.map(String)
    return { hostIP: addresses[0], hostIPs: addresses.map((ip) => ({ ip })) }
  }

  async #patchStatus(status: object): Promise<void> {
    const { name, namespace } = this.#pod.metadata
    try {
      await this.#options.client.patch(RESOURCES.pods, { namespace, name }, { status }, { subresource: 'status' })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#options.log.warn({ pod: name, error: error.message }, "a pod's status could not be written")
    }
  }
}

function containerStatus({ spec, container, lastExit, restarts }: Slot): { ready: boolean } & Record<string, unknown> {
  const terminated =
    lastExit === undefined ? undefined : { ...lastExit, reason: lastExit.exitCode === 0 ? 'Completed' : 'Error' }
  return {
    name: spec.name,
    image: spec.image,
    imageID: `lab://${spec.image}`,
    ready: container !== undefined,
    started: container !== undefined,
    restartCount: restarts,
    state: container === undefined ? { terminated } : { running: { startedAt: container.startedAt } },
    ...(terminated === undefined ? {} : { lastState: { terminated } }),
  }
}
