import { constants } from 'node:os'
import { lastErrno } from './libc.ts'

// errno → name. Some numbers have two names (EAGAIN/EWOULDBLOCK, EOPNOTSUPP/ENOTSUP): the kernel's own word wins.
const ERRNO_NAMES = new Map<number, string>()
for (const [name, value] of Object.entries(constants.errno)) ERRNO_NAMES.set(value, name)
for (const name of ['EAGAIN', 'EOPNOTSUPP', 'EDEADLK'] as const) {
  ERRNO_NAMES.set(constants.errno[name], name)
}

/** Name of a Linux errno (`EEXIST`), or `ERRNO_4097` for a number that has none. */
export const errnoName = (errno: number): string => ERRNO_NAMES.get(errno) ?? `ERRNO_${errno}`

/**
 * Everything this package throws. `code` is `SOCKET_` and the kernel's name of the error (`SOCKET_EPERM`), or
 * `SOCKET_BAD_INPUT` for a value that was refused before it reached the kernel.
 */
export class SocketError extends Error {
  override readonly name = 'SocketError'
  readonly code: string
  /** The option or call that failed: `TCP_MD5SIG`. */
  readonly option: string
  /** The kernel's error number, positive; 0 when the error is not the kernel's. */
  readonly errno: number

  constructor(code: string, option: string, message: string, errno = 0) {
    super(`${option}: ${message}`)
    this.code = code
    this.option = option
    this.errno = errno
  }

  /** @param subject what it was about, in words; never a key */
  static fromErrno(errno: number, option: string, subject = ''): SocketError {
    const name = errnoName(errno)
    return new SocketError(`SOCKET_${name}`, option, subject === '' ? name : `${name} (${subject})`, errno)
  }

  /** A value that was refused before it reached the kernel. */
  static badInput(option: string, why: string): SocketError {
    return new SocketError('SOCKET_BAD_INPUT', option, why)
  }
}

/** @returns `result` @throws {SocketError} named after errno when it is negative */
export function check(result: number, option: string, subject?: string): number {
  if (result < 0) throw SocketError.fromErrno(lastErrno(), option, subject)
  return result
}
