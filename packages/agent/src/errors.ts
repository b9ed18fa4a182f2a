/**
 * Codes: `AGENT_BAD_CONFIG` the configuration names a wrong value, `AGENT_BAD_RECORD` a file of the state directory is
 * no endpoint record.
 */
export class AgentError extends Error {
  readonly code: 'AGENT_BAD_CONFIG' | 'AGENT_BAD_RECORD'

  constructor(code: AgentError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AgentError'
    this.code = code
  }
}
