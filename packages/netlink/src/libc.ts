import koffi from 'koffi'
import { NetlinkError } from './errors.ts'

// The few libc calls that Node has no API for. The process itself is the library (koffi.load(null)), so that glibc
// and musl both work.
const libc = koffi.load(null)

interface AsyncCall {
  (fd: number, bytes: Uint8Array, length: number, flags: number): number
  async: (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    done: (error: Error | null, result: number) => void,
  ) => void
}

/** Direct bindings. Each returns what the C function returns; call {@link lastErrno} right after a -1. */
export const sys = {
  socket: libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number,
  bind: libc.func('int bind(int, const void*, uint32_t)') as (
    fd: number,
    address: Uint8Array,
    length: number,
  ) => number,
  listen: libc.func('int listen(int, int)') as (fd: number, backlog: number) => number,
  close: libc.func('int close(int)') as (fd: number) => number,
  send: libc.func('int64_t send(int, const void*, size_t, int)') as unknown as AsyncCall,
  recv: libc.func('int64_t recv(int, void*, size_t, int)') as unknown as AsyncCall,
  setsockopt: libc.func('int setsockopt(int, int, int, const void*, uint32_t)') as (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: number,
  ) => number,
  setns: libc.func('int setns(int, int)') as (fd: number, type: number) => number,
  unshare: libc.func('int unshare(int)') as (flags: number) => number,
  mount: libc.func('int mount(const char*, const char*, const char*, unsigned long, const void*)') as (
    source: string,
    target: string,
    type: string | null,
    flags: number,
    options: null,
  ) => number,
  umount2: libc.func('int umount2(const char*, int)') as (target: string, flags: number) => number,
  flock: libc.func('int flock(int, int)') as (fd: number, operation: number) => number,
  ioctl: libc.func('int ioctl(int, unsigned long, void*)') as (
    fd: number,
    request: number,
    argument: Uint8Array | null,
  ) => number,
  read: libc.func('int64_t read(int, void*, size_t)') as (fd: number, bytes: Uint8Array, length: number) => number,
  eventfd: libc.func('int eventfd(unsigned int, int)') as (initial: number, flags: number) => number,
  poll: libc.func('int poll(void*, unsigned long, int)') as (
    fds: Uint8Array,
    count: number,
    timeoutMs: number,
  ) => number,
}

export const lastErrno = (): number => koffi.errno()

/** @throws {NetlinkError} named after errno when `result` is negative. */
export function check(result: number, request: string): number {
  if (result < 0) throw NetlinkError.fromErrno(lastErrno(), request)
  return result
}

/**
 * send() or recv() on a thread of the pool, so that a lock held in the kernel (the rtnl mutex, while someone's device
 * is being unregistered) can't stop the event loop.
 * @returns what the call returned. errno of that thread is out of reach: after -1 repeat the call in line to learn it.
 */
export function onThread(call: 'send' | 'recv', fd: number, bytes: Uint8Array, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    sys[call].async(fd, bytes, bytes.length, flags, (error, result) => {
      if (error !== null && error !== undefined) reject(error)
      else resolve(result)
    })
  })
}

/** A fixed-size integer option. */
export function setIntOption(fd: number, level: number, option: number, value: number, request: string): void {
  check(sys.setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer), 4), request)
}

/** Socket constants of the generic Linux ABI (x86, arm, riscv, s390, ppc64le). */
export const Sock = {
  AF_INET: 2,
  AF_BRIDGE: 7,
  AF_INET6: 10,
  AF_NETLINK: 16,
  STREAM: 1,
  DGRAM: 2,
  RAW: 3,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_REUSEPORT: 15,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SOL_IP: 0,
  IP_FREEBIND: 15,
  SOL_IPV6: 41,
  IPV6_V6ONLY: 26,
  IPV6_FREEBIND: 78,
  SOL_NETLINK: 270,
  MSG_DONTWAIT: 0x40,
  MSG_TRUNC: 0x20,
} as const
