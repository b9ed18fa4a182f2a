import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { CHART } from './chart.ts'
import type { LabFixture, LabNode } from './lab-fixture.ts'

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Where `margay` is, as /usr/local/bin is in the image. */
const BIN = join(import.meta.dirname, '../../node_modules/.bin')

const IN_MOUNTS = ['unshare', '--mount', '--propagation', 'slave']

// As a runtime sets up a container that is not privileged; with slave propagation, which the chart calls HostToContainer.
const CONFINE = `mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
exec setpriv --bounding-set="$CAPABILITIES" --inh-caps="$CAPABILITIES" sh "$RUN_AGENT"`

/** A node's agent, run with what the chart gives its container: its command, its capabilities, /proc/sys read-only. */
export class ConfinedAgent implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #log: Buffer[] = []

  /** The lab's own agent of `node` must be stopped. @param capabilities without CAP_, as in the chart */
  constructor(lab: LabFixture, node: LabNode, capabilities: readonly string[]) {
    const home = `/run/margay/labs/${lab.name}/nodes/${node.name}`
    const kept = capabilities.map((name) => `+${name.toLowerCase()}`)
    this.#child = spawn('nsenter', [`--net=/run/netns/${node.netns}`, ...IN_MOUNTS, 'sh', '-euc', CONFINE], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: `${BIN}:${SYSTEM_PATH}`,
        CAPABILITIES: ['-all', ...kept].join(','),
        RUN_AGENT: join(CHART, 'files/run-agent.sh'),
        MARGAY_NODE_NAME: node.name,
        MARGAY_KUBECONFIG: join(home, 'kubeconfig'),
        MARGAY_HTTP_SOCKET: join(home, 'http.sock'),
        MARGAY_CNI_SOCKET: join(home, 'cni.sock'),
        MARGAY_CNI_QUEUE: join(home, 'cni-queue'),
        MARGAY_STATE_DIR: join(home, 'state'),
      },
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#log.push(chunk))
  }

  get log(): string {
    return Buffer.concat(this.#log).toString('utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    await closed
  }
}
