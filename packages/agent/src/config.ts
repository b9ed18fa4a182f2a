import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { AgentError } from './errors.ts'

/** How one agent runs. Read once, in `margay agent`; frozen afterwards. Cluster-wide settings are API objects. */
export interface AgentConfig {
  readonly nodeName: string
  /** Undefined: $KUBECONFIG, ~/.kube/config, or the pod's service account. */
  readonly kubeconfig: string | undefined
  readonly hub: HubConfig | undefined
  /** Where the HTTP API listens: loopback unless told otherwise. */
  readonly httpHost: string
  readonly httpPort: number
  /** The HTTP API on a unix socket too. */
  readonly httpSocket: string | undefined
  readonly cniSocket: string
  /** Where the CNI plugin leaves DELs that found no agent. */
  readonly cniQueue: string
  /** Survives a restart of the agent, not of the machine: endpoint records, queued DELs. */
  readonly stateDirectory: string
  /** Programmed into pod interfaces; 0: the smallest MTU of the node's own interfaces. */
  readonly mtu: number
  readonly logLevel: string
}

interface HubConfig {
  readonly host: string
  readonly port: number
  readonly keyFile: string
  readonly certFile: string
  readonly caFile: string
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the agent's configuration from environment variables (`MARGAY_…`; the README lists them).
 * @throws {AgentError} AGENT_BAD_CONFIG naming every variable that is wrong
 */
export function parseAgentConfig(environment: Environment): AgentConfig {
  const reader = new EnvironmentReader(environment)
  const config: AgentConfig = {
    nodeName: reader.nodeName('MARGAY_NODE_NAME', environment['NODENAME'] ?? hostname().toLowerCase()),
    kubeconfig: reader.text('MARGAY_KUBECONFIG'),
    hub: readHub(reader),
    httpHost: reader.text('MARGAY_HTTP_HOST') ?? '127.0.0.1',
    httpPort: reader.integer('MARGAY_HTTP_PORT', 9099, 0, 65535),
    httpSocket: reader.text('MARGAY_HTTP_SOCKET'),
    cniSocket: reader.text('MARGAY_CNI_SOCKET') ?? '/run/margay/cni.sock',
    cniQueue: reader.text('MARGAY_CNI_QUEUE') ?? '/var/lib/margay/cni-queue',
    stateDirectory: reader.text('MARGAY_STATE_DIR') ?? '/run/margay/state',
    mtu: reader.integer('MARGAY_MTU', 0, 0, 65535),
    logLevel: reader.oneOf('MARGAY_LOG_LEVEL', 'info', LOG_LEVELS),
  }
  reader.finish()
  return Object.freeze(config)
}

function readHub(reader: EnvironmentReader): HubConfig | undefined {
  const address = reader.text('MARGAY_HUB')
  if (address === undefined) return undefined
  const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address)
  const port = Number(match?.[2])
  if (!(port >= 1 && port <= 65535)) reader.fail('MARGAY_HUB', 'must be HOST:PORT')
  return {
    host: match?.[1] ?? '',
    port,
    keyFile: reader.file('MARGAY_HUB_KEY_FILE'),
    certFile: reader.file('MARGAY_HUB_CERT_FILE'),
    caFile: reader.file('MARGAY_HUB_CA_FILE'),
  }
}

/** Reads variables and collects what is wrong with them. */
class EnvironmentReader {
  readonly #environment: Environment
  readonly #problems: string[] = []

  constructor(environment: Environment) {
    this.#environment = environment
  }

  fail(name: string, problem: string): void {
    this.#problems.push(`${name} ${problem}`)
  }

  /** An empty variable counts as unset. */
  text(name: string): string | undefined {
    const value = this.#environment[name]
    return value === undefined || value === '' ? undefined : value
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name)
    if (value === undefined) return fallback
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (!(number >= min && number <= max))
      this.fail(name, `must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`)
    return number
  }

  oneOf(name: string, fallback: string, allowed: readonly string[]): string {
    const value = this.text(name) ?? fallback
    if (!allowed.includes(value)) this.fail(name, `must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`)
    return value
  }

  nodeName(name: string, fallback: string): string {
    const value = this.text(name) ?? fallback
    if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(value))
      this.fail(name, `is not a node name: ${JSON.stringify(value)}`)
    return value
  }

  /** The path of a file that can be read now. */
  file(name: string): string {
    const path = this.text(name)
    if (path === undefined) {
      this.fail(name, 'is required')
      return ''
    }
    try {
      readFileSync(path)
    } catch (error) {
      this.fail(name, `cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
    return path
  }

  finish(): void {
    if (this.#problems.length > 0) throw new AgentError('AGENT_BAD_CONFIG', this.#problems.join('; '))
  }
}
