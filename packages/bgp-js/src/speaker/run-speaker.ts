import { BgpConfigError, type ConfigProblem } from '../errors.ts'
import type { SpeakerConfig } from './config.ts'
import { type HttpEndpoint, serveHttp } from './http-endpoint.ts'
import type { Log, SpeakerPorts } from './ports.ts'
import { createSpeaker, type Speaker, type StopOptions } from './speaker.ts'

/** A speaker that runs as its own process would. */
export interface RunningSpeaker {
  readonly speaker: Speaker
  /** Where it listens for BGP. */
  readonly listening: readonly { address: string; port: number }[]
  /** Where it listens for HTTP, when the configuration asks for it. */
  readonly http: { readonly address: string; readonly port: number } | undefined
  /**
   * Takes another configuration, without a session reset where OPEN does not carry what changed.
   * @throws {BgpConfigError} naming every bad field and every changed one that needs a new process; nothing changed then
   */
  reconfigure(configJson: unknown): void
  stop(options?: StopOptions): Promise<void>
}

/**
 * Runs a speaker from a configuration as it stands in a JSON file: {@link SpeakerConfig} and `http: "127.0.0.1:PORT"`.
 * @throws {BgpConfigError} naming every bad and every unknown field
 * @throws when an address can't be bound
 */
export async function runSpeaker(
  configJson: unknown,
  ports: SpeakerPorts & { readonly log: Log },
): Promise<RunningSpeaker> {
  const { speakerConfig, httpSetting } = splitConfig(configJson)
  const problems: ConfigProblem[] = []
  const endpointAddress = httpSetting === undefined ? undefined : parseHttp(httpSetting, problems)
  const speaker = createOrCollect(speakerConfig, ports, problems)
  if (speaker === undefined || problems.length > 0) throw new BgpConfigError(problems)
  const listening = await speaker.start()
  let endpoint: HttpEndpoint | undefined
  try {
    endpoint = endpointAddress === undefined ? undefined : await serveHttp(speaker, endpointAddress, ports.log)
  } catch (error) {
    await speaker.stop()
    throw error
  }
  const http = endpoint === undefined ? undefined : { address: endpoint.address, port: endpoint.port }
  ports.log.info({ listening, http, asn: speaker.asn, routerId: speaker.routerId }, 'BGP speaker runs')
  return {
    speaker,
    listening,
    http,
    reconfigure: (json) => {
      const { speakerConfig: next, httpSetting: nextHttp } = splitConfig(json)
      if (nextHttp !== httpSetting)
        throw new BgpConfigError([{ field: 'http', problem: 'changes only with a new process' }])
      speaker.reconfigure(next as SpeakerConfig)
    },
    stop: async (options) => {
      await endpoint?.close()
      await speaker.stop(options)
    },
  }
}

function splitConfig(configJson: unknown): { speakerConfig: unknown; httpSetting: unknown } {
  if (typeof configJson !== 'object' || configJson === null || Array.isArray(configJson)) {
    return { speakerConfig: configJson, httpSetting: undefined }
  }
  const { http: httpSetting, ...speakerConfig } = configJson as Record<string, unknown>
  return { speakerConfig, httpSetting }
}

/** A bad `http` and a bad rest come in one error. */
function createOrCollect(config: unknown, ports: SpeakerPorts, problems: ConfigProblem[]): Speaker | undefined {
  try {
    return createSpeaker(config as SpeakerConfig, ports)
  } catch (error) {
    if (!(error instanceof BgpConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}

function parseHttp(value: unknown, problems: ConfigProblem[]): { host: string; port: number } | undefined {
  const match = typeof value === 'string' ? /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(value) : null
  const port = Number(match?.[3])
  if (match === null || port > 65535) {
    problems.push({ field: 'http', problem: 'must be address:port, for example "127.0.0.1:9180"' })
    return undefined
  }
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port }
}
