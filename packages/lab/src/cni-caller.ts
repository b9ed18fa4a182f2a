import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { CNI_PLUGIN_PATH } from '@margay/cni'

export interface CniCall {
  readonly command: 'ADD' | 'DEL' | 'CHECK'
  readonly containerId: string
  readonly netns: string
  readonly namespace: string
  readonly pod: string
  readonly uid: string
}

export interface CniAddResult {
  readonly ips?: readonly { readonly address: string }[]
}

/** Calls the CNI plugin as a container runtime does: environment, stdin, stdout, exit code. */
export class CniCaller {
  readonly #environment: Readonly<Record<string, string>>

  constructor(options: { socket: string; queue: string }) {
    this.#environment = { MARGAY_CNI_SOCKET: options.socket, MARGAY_CNI_QUEUE: options.queue }
  }

  /** @throws with the plugin's own message when it fails */
  async call({ command, containerId, netns, namespace, pod, uid }: CniCall): Promise<CniAddResult> {
    const plugin = spawn(CNI_PLUGIN_PATH, [], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...this.#environment,
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerId,
        CNI_NETNS: netns,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/opt/cni/bin',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod};K8S_POD_INFRA_CONTAINER_ID=${containerId};K8S_POD_UID=${uid}`,
      },
    })
    const closed = once(plugin, 'close')
    plugin.stdin.end(JSON.stringify({ cniVersion: '1.1.0', name: 'margay', type: 'margay' }))
    const chunks: Buffer[] = []
    for await (const chunk of plugin.stdout) chunks.push(chunk as Buffer)
    const [code] = (await closed) as [number]
    const text = Buffer.concat(chunks).toString('utf8')
    if (code === 0) return text === '' ? {} : (JSON.parse(text) as CniAddResult)
    const { msg, details } = JSON.parse(text) as { msg?: string; details?: string }
    throw new Error(
      `CNI ${command} failed: ${msg ?? text}${details === undefined || details === '' ? '' : ` (${details})`}`,
    )
  }
}
