export { AgentError } from './errors.ts'
export { runAgent } from './run-agent.ts'
