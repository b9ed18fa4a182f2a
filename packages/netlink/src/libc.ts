import { lastErrno, sys } from '@margay/sockets/libc'
import { NetlinkError } from './errors.ts'

export { lastErrno, onThread, Sock, sys } from '@margay/sockets/libc'

/** @throws {NetlinkError} named after errno when `result` is negative. */
export function check(result: number, request: string): number {
  if (result < 0) throw NetlinkError.fromErrno(lastErrno(), request)
  return result
}

/** A fixed-size integer option. */
export function setIntOption(fd: number, level: number, option: number, value: number, request: string): void {
  check(sys.setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer), 4), request)
}
