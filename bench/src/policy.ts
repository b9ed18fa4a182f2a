import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { RESOURCES } from '@margay/datastore'
import { labPods } from '@margay/lab'
import { udpSocketIn } from '@margay/netlink'
import { type BenchLab, createPod, withLab } from './bench-lab.ts'
import { summarize } from './statistics.ts'

const RUNS = 50
const PORT = 9000
const INTERVAL_MS = 1
const SETTLE_MS = 100
const GIVE_UP_MS = 5_000

/**
 * From the moment a NetworkPolicy is sent to the API server until the first packet of a new flow is dropped (and, when
 * the policy is deleted, passes again). A packet with a source port of its own goes out every millisecond.
 */
export async function benchPolicy(): Promise<object> {
  return withLab(2, async (lab) => {
    await createPod(lab.client, 'sender', 'node1')
    await createPod(lab.client, 'receiver', 'node2')
    const pods = await waitForPods(lab)
    const receiver = udpSocketIn(pods.receiver.netns, { host: '0.0.0.0', port: PORT })
    let received = -1
    receiver.on('message', (message) => {
      received = Math.max(received, message.readUInt32BE(0))
    })
    const applied: number[] = []
    const removed: number[] = []
    const probe = new Probe(pods.sender.netns, pods.receiver.ip, () => received)
    try {
      await probe.until('open')
      for (let run = 0; run < RUNS; run++) {
        const policy = {
          metadata: { name: 'bench', namespace: 'default' },
          spec: { podSelector: { matchLabels: { app: 'receiver' } }, policyTypes: ['Ingress'] },
        }
        const begin = performance.now()
        const closed = probe.until('closed')
        await lab.client.create(RESOURCES.networkPolicies, policy)
        applied.push((await closed) - begin)
        const deletion = performance.now()
        const open = probe.until('open')
        await lab.client.delete(RESOURCES.networkPolicies, policy.metadata)
        removed.push((await open) - deletion)
      }
    } finally {
      receiver.close()
    }
    return {
      unit: 'ms from the request to the API server to the packet',
      'apply to enforced': summarize(applied),
      'delete to open': summarize(removed),
    }
  })
}

interface FoundPod {
  readonly netns: string
  readonly ip: string
}

async function waitForPods({ description }: BenchLab): Promise<{ sender: FoundPod; receiver: FoundPod }> {
  const deadline = performance.now() + GIVE_UP_MS
  while (performance.now() < deadline) {
    const pods = await labPods(description.name)
    const find = (name: string): FoundPod | undefined => {
      const pod = pods.find((each) => each.name === name)
      return pod?.ips[0] === undefined ? undefined : { netns: pod.netns, ip: pod.ips[0] }
    }
    const [sender, receiver] = [find('sender'), find('receiver')]
    if (sender !== undefined && receiver !== undefined) return { sender, receiver }
    await delay(SETTLE_MS)
  }
  throw new Error('the pods of the benchmark did not come up')
}

/** Sends numbered packets, each as a flow of its own, and watches which arrive. */
class Probe {
  readonly #netns: string
  readonly #target: string
  readonly #received: () => number
  #next = 0

  constructor(netns: string, target: string, received: () => number) {
    this.#netns = netns
    this.#target = target
    this.#received = received
  }

  /**
   * Waits for a change. @returns when the first packet was sent that did not arrive (`closed`: nor any of the next
   * hundred milliseconds), or that arrived (`open`)
   */
  async until(state: 'open' | 'closed'): Promise<number> {
    const sent = new Map<number, number>()
    const first = this.#next
    const deadline = performance.now() + GIVE_UP_MS
    while (performance.now() < deadline) {
      sent.set(await this.#send(), performance.now())
      await delay(INTERVAL_MS)
      const latest = this.#received()
      if (state === 'open' && latest >= first) return sent.get(latest) ?? performance.now()
      const lost = sent.get(Math.max(latest, first - 1) + 1)
      if (state === 'closed' && lost !== undefined && performance.now() - lost > SETTLE_MS) return lost
    }
    throw new Error(`the path did not become ${state}`)
  }

  async #send(): Promise<number> {
    const sequence = this.#next++
    const socket = udpSocketIn(this.#netns, { host: '0.0.0.0', port: 0 })
    const message = Buffer.alloc(4)
    message.writeUInt32BE(sequence)
    socket.send(message, PORT, this.#target, () => socket.close())
    await once(socket, 'close')
    return sequence
  }
}
