import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { CNI_PLUGIN_PATH } from '@margay/cni'
import type { LabFixture } from './lab-fixture.ts'

export interface CniOutcome {
  readonly exitCode: number | null
  readonly stdout: string
  /** What stdout says, as far as it is JSON; `{}` when it is empty. */
  readonly json: Record<string, unknown>
}

/** Calls a node's CNI plugin as a container runtime does: environment, stdin, stdout, exit code. */
export class CniPlugin {
  readonly #environment: Readonly<Record<string, string>>

  constructor(lab: LabFixture, node: string) {
    const home = `/run/margay/labs/${lab.name}/nodes/${node}`
    this.#environment = { MARGAY_CNI_SOCKET: `${home}/cni.sock`, MARGAY_CNI_QUEUE: `${home}/cni-queue` }
  }

  get socket(): string {
    return this.#environment['MARGAY_CNI_SOCKET'] ?? ''
  }

  get queue(): string {
    return this.#environment['MARGAY_CNI_QUEUE'] ?? ''
  }

  /** @param environment all of the plugin's, but for where the agent is @param stdin text or octets */
  async run(environment: Readonly<Record<string, string>>, stdin: string | Buffer): Promise<CniOutcome> {
    const child = spawn(CNI_PLUGIN_PATH, [], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...this.#environment, ...environment },
    })
    // A plugin that answers without reading its input says so by its exit code.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') child.emit('error', error)
    })
    child.stdin.end(stdin)
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [exitCode] = (await once(child, 'close')) as [number | null]
    const stdout = Buffer.concat(chunks).toString('utf8')
    return { exitCode, stdout, json: stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>) }
  }
}

/** What the kernel knows by the name `netns`: the target of CNI_NETNS. */
export const netnsPath = (netns: string): string => `/run/netns/${netns}`
