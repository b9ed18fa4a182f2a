import { writeSysctl } from '@margay/netlink'
import { pino } from 'pino'
import { Agent } from './agent.ts'
import { parseAgentConfig } from './config.ts'

/** How long a stop may take before the process ends all the same. */
const STOP_TIMEOUT_MS = 3_000

/**
 * The agent as a process: reads its configuration from the environment, runs until SIGTERM or SIGINT, and exits.
 * @throws {AgentError} AGENT_BAD_CONFIG
 */
export async function runAgent(): Promise<void> {
  const config = parseAgentConfig(process.env)
  const log = pino({ level: config.logLevel, base: { node: config.nodeName } }, pino.destination({ fd: 2, sync: true }))
  const onFatal = (error: Error): void => {
    log.fatal({ err: error }, 'the agent cannot go on: the kernel keeps what it has')
    process.exit(1)
  }
  process.on('uncaughtException', onFatal)
  process.on('unhandledRejection', (reason) => onFatal(reason instanceof Error ? reason : new Error(String(reason))))
  const agent = new Agent({ config, log, onFatal })
  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref()
    agent.stop().then(() => process.exit(0), onFatal)
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  enableForwarding()
  await agent.start()
}

/** A node that routes for its pods. */
function enableForwarding(): void {
  writeSysctl(undefined, 'net.ipv4.ip_forward', 1)
  writeSysctl(undefined, 'net.ipv6.conf.all.forwarding', 1)
}
