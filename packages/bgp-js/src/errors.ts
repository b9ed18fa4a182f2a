/** Stable error codes of this package. */
export type BgpErrorCode =
  | 'BGP_BAD_CONFIG'
  | 'BGP_BAD_MESSAGE'
  | 'BGP_BAD_MRT'
  | 'BGP_BAD_RTR_PDU'
  | 'BGP_CLOSED'
  | 'BGP_DUPLICATE_PEER'
  | 'BGP_UNKNOWN_PEER'

/** Base of every error this package throws on purpose. Branch on `code`, never on the message. */
export class BgpError extends Error {
  readonly code: BgpErrorCode

  constructor(code: BgpErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** How far the damage of a malformed message reaches (RFC 7606 §2), mildest first. */
export type Severity = 'attribute-discard' | 'treat-as-withdraw' | 'session-reset'

/** The fields of the NOTIFICATION that answers a bad message (RFC 4271 §4.5). */
export interface NotificationFields {
  readonly code: number
  readonly subcode: number
  readonly data?: Uint8Array
}

/** A message from the wire that breaks the protocol. */
export class BgpMessageError extends BgpError {
  readonly notification: NotificationFields
  readonly severity: Severity

  constructor(message: string, notification: NotificationFields, severity: Severity = 'session-reset') {
    super('BGP_BAD_MESSAGE', message)
    this.notification = notification
    this.severity = severity
  }
}

/** One thing wrong with a configuration: the path of the field, and why. */
export interface ConfigProblem {
  readonly field: string
  readonly problem: string
}

/** A configuration that is refused. `problems` names every bad field at once. */
export class BgpConfigError extends BgpError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super('BGP_BAD_CONFIG', `BGP configuration: ${problems.map((p) => `${p.field} ${p.problem}`).join('; ')}`)
    this.problems = problems
  }
}
