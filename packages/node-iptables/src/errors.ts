export type IptablesErrorCode =
  | 'IPTABLES_BAD_RULE'
  | 'IPTABLES_BAD_SAVE'
  | 'IPTABLES_DEPENDS_ON_FAILED'
  | 'IPTABLES_INCOMPATIBLE'
  | 'IPTABLES_LOCK_TIMEOUT'
  | 'IPTABLES_NOT_FOUND'
  | 'IPTABLES_NO_VARIANT'
  | 'IPTABLES_RESTORE_FAILED'
  | 'IPTABLES_SAVE_FAILED'
  | 'IPTABLES_TIMEOUT'
  | 'IPSET_BAD_SET'
  | 'IPSET_FAILED'

/** The line of our own text that the kernel or the program refused. */
export interface OffendingLine {
  /** Counted from 1. */
  readonly number: number
  readonly text: string
}

/** Everything this package throws. Branch on `code`; README.md lists the codes. */
export class IptablesError extends Error {
  override readonly name = 'IptablesError'
  readonly code: IptablesErrorCode
  /** The refused input, for IPTABLES_BAD_RULE and IPSET_BAD_SET: `match[2].name`. */
  readonly field: string | undefined
  readonly line: OffendingLine | undefined
  /** What the program said. */
  readonly stderr: string | undefined
  readonly exitCode: number | undefined

  constructor(
    code: IptablesErrorCode,
    message: string,
    details: {
      field?: string
      line?: OffendingLine | undefined
      stderr?: string
      exitCode?: number
      cause?: unknown
    } = {},
  ) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.code = code
    this.field = details.field
    this.line = details.line
    this.stderr = details.stderr
    this.exitCode = details.exitCode
  }
}

/** An input that was refused before it reached the kernel. */
export const badRule = (field: string, value: unknown, why: string): IptablesError =>
  new IptablesError('IPTABLES_BAD_RULE', `${field} ${JSON.stringify(String(value))} ${why}`, { field })
