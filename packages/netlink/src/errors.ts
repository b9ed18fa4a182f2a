import { errnoName } from '@margay/sockets'

export { errnoName }

/**
 * Everything this package throws.
 * `code` is `NETLINK_` and the kernel's own name of the error (`NETLINK_EEXIST`), or one of our own:
 * `NETLINK_BAD_INPUT` (a value refused before it reached the kernel; `field` names it),
 * `NETLINK_BAD_MESSAGE` (bytes that are no netlink message), `NETLINK_DUMP_INTERRUPTED` (a dump that changed under
 * every attempt to read it), `NETLINK_CLOSED` (used after close), `NETLINK_NO_REPLY`, `NETLINK_NOT_A_NETNS`.
 */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError'
  readonly code: string
  /** The kernel's error number, positive; 0 when the error is not the kernel's. */
  readonly errno: number
  /** `EEXIST`; the empty string when the error is not the kernel's. */
  readonly errnoName: string
  /** The kernel's own sentence about the failure (extended ack), when it gave one. */
  readonly extack: string | undefined
  /** What was asked, in words: `add route 10.0.0.0/24 via 10.0.0.1`. */
  readonly request: string
  /** The refused input field, for `NETLINK_BAD_INPUT`. */
  readonly field: string | undefined

  constructor(
    code: string,
    request: string,
    message: string,
    details: { errno?: number; extack?: string | undefined; field?: string; cause?: unknown } = {},
  ) {
    super(
      `${request === '' ? '' : `${request}: `}${message}`,
      details.cause === undefined ? {} : { cause: details.cause },
    )
    this.code = code
    this.request = request
    this.errno = details.errno ?? 0
    this.errnoName = this.errno === 0 ? '' : code.slice('NETLINK_'.length)
    this.extack = details.extack
    this.field = details.field
  }

  /** An error number that the kernel gave, with its extended-ack sentence if there was one. */
  static fromErrno(errno: number, request: string, extack?: string): NetlinkError {
    const name = errnoName(errno)
    return new NetlinkError(`NETLINK_${name}`, request, extack === undefined ? name : `${name} (${extack})`, {
      errno,
      extack,
    })
  }

  /** An input that was refused before it reached the kernel. */
  static badInput(field: string, value: unknown, why: string): NetlinkError {
    return new NetlinkError('NETLINK_BAD_INPUT', '', `${field} ${JSON.stringify(String(value))} ${why}`, { field })
  }
}

/** Whether `error` is a NetlinkError of one of the kernel's names: `isErrno(error, 'EEXIST', 'ENOENT')`. */
export const isErrno = (error: unknown, ...names: string[]): error is NetlinkError =>
  error instanceof NetlinkError && names.includes(error.errnoName)
