import type { SessionState } from '../fsm/state.ts'
import type { Hold } from './peer-holds.ts'
import type { SessionError } from './session-error.ts'

/** What a peer's trouble shows in. */
export interface ProblemFacts {
  readonly state: SessionState
  /** Milliseconds in this state. */
  readonly stateMs: number
  readonly adminDown: boolean
  readonly holds: readonly Hold[]
  /** Where the peer is dialed; undefined while nobody was found on the link of `interface`. */
  readonly remote: string | undefined
  readonly interface: string | undefined
  /** We never dial it. */
  readonly isPassive: boolean
  readonly hasPassword: boolean
  /** Of now or of the last attempts; not of what an Established session has settled since. */
  readonly lastError: SessionError | undefined
  /** The last NOTIFICATION of these attempts: it says more than a connection that failed after it. */
  readonly lastNotification: SessionError | undefined
  readonly nextAttemptMs: number | undefined
}

/** An attempt that is younger than this may yet be answered. */
const PATIENCE_MS = 1000

const CONNECT_ERRORS: Readonly<Record<string, (remote: string) => string>> = {
  ECONNREFUSED: (remote) => `${remote} refuses TCP connections`,
  ECONNRESET: (remote) => `${remote} resets TCP connections`,
  ETIMEDOUT: (remote) => `no TCP answer from ${remote}`,
  EHOSTUNREACH: (remote) => `${remote} is unreachable: nobody answers on the link, or a router says so`,
  ENETUNREACH: (remote) => `no route to ${remote}`,
  EADDRNOTAVAIL: (remote) => `the source address for ${remote} is not on this host`,
  EACCES: (remote) => `this host forbids connections to ${remote}`,
  EPERM: (remote) => `this host forbids connections to ${remote}`,
}

/** Says in a sentence why a peer is not Established; undefined when it is. */
export function describeProblem(facts: ProblemFacts): string | undefined {
  if (facts.state === 'Established') return undefined
  if (facts.adminDown) return 'administratively down'
  if (facts.holds.length > 0) return facts.holds.map(holdText).join(' and ')
  const now = currentTrouble(facts)
  const { lastError, lastNotification } = facts
  const before = [lastNotification, lastNotification === lastError ? undefined : lastError]
    .filter((error) => error !== undefined)
    .map((error) => errorText(error, facts))
    .join('; since then: ')
  const next =
    facts.nextAttemptMs === undefined ? undefined : `next attempt in ${Math.ceil(facts.nextAttemptMs / 1000)} s`
  const sentence = [...new Set([now, before])]
    .filter((part) => part !== undefined && part !== '')
    .join('; before that: ')
  return [sentence === '' ? undefined : sentence, next].filter((part) => part !== undefined).join('; ') || 'not started'
}

function holdText({ reason, remainingMs }: Hold): string {
  const name = reason === 'bfd' ? 'BFD, which lost the peer,' : reason
  const until = reason === 'bfd' ? 'until it is back' : 'until it is cleared'
  return `held by ${name} ${remainingMs === undefined ? until : `for ${Math.ceil(remainingMs / 1000)} s`}`
}

function currentTrouble(facts: ProblemFacts): string | undefined {
  switch (facts.state) {
    case 'Connect':
      if (facts.stateMs < PATIENCE_MS || facts.remote === undefined) return undefined
      return noAnswer(facts.remote, facts)
    case 'Active':
      if (facts.interface !== undefined && facts.remote === undefined) {
        return `no neighbour was found on ${facts.interface}`
      }
      return facts.isPassive ? 'waiting for the peer to dial' : undefined
    case 'OpenSent':
      return 'connected, but the peer has sent no OPEN yet'
    case 'OpenConfirm':
      return 'OPEN was exchanged, but the peer has not confirmed it with a KEEPALIVE yet'
    case 'Idle':
    case 'Established':
      return undefined
  }
}

function errorText(error: SessionError, facts: ProblemFacts): string {
  const { direction, name, text } = error
  const detail = text === '' ? '' : `: ${text}`
  if (direction === 'received') return `the peer said ${name}${detail}`
  if (direction === 'sent') return `we said ${name}${detail}`
  const remote = facts.remote ?? 'the peer'
  const code = /\bE[A-Z]+\b/.exec(text)?.[0] ?? ''
  if (code === 'ETIMEDOUT') return noAnswer(remote, facts)
  return CONNECT_ERRORS[code]?.(remote) ?? `the connection to ${remote} failed${detail}`
}

/** A peer whose key is another one drops our SYNs without a word (RFC 2385 §2). */
const noAnswer = (remote: string, { hasPassword }: ProblemFacts): string =>
  `no TCP answer from ${remote}${hasPassword ? ' (a wrong MD5 key looks the same)' : ''}`
