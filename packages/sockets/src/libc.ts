import koffi from 'koffi'

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

/** One instruction of a classic BPF program (struct sock_filter). */
export interface SocketFilter {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

koffi.struct('margay_sock_filter', { code: 'uint16', jt: 'uint8', jf: 'uint8', k: 'uint32' })
/** struct sock_fprog. */
const FilterProgram = koffi.struct('margay_sock_fprog', { len: 'uint16', filter: 'margay_sock_filter *' })
export const FILTER_PROGRAM_OCTETS = koffi.sizeof(FilterProgram)

/** Direct bindings, for the packages that stand on this one. Each returns what the C function returns; call {@link lastErrno} right after a -1. */
export const sys = {
  socket: libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number,
  bind: libc.func('int bind(int, const void*, uint32_t)') as (
    fd: number,
    address: Uint8Array,
    length: number,
  ) => number,
  ifNameToIndex: libc.func('unsigned int if_nametoindex(const char*)') as (name: string) => number,
  listen: libc.func('int listen(int, int)') as (fd: number, backlog: number) => number,
  close: libc.func('int close(int)') as (fd: number) => number,
  send: libc.func('int64_t send(int, const void*, size_t, int)') as unknown as AsyncCall,
  recv: libc.func('int64_t recv(int, void*, size_t, int)') as unknown as AsyncCall,
  sendto: libc.func('int64_t sendto(int, const void*, size_t, int, const void*, uint32_t)') as (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ) => number,
  recvfrom: libc.func('int64_t recvfrom(int, void*, size_t, int, void*, uint32_t*)') as (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: Uint32Array,
  ) => number,
  setsockopt: libc.func('int setsockopt(int, int, int, const void*, uint32_t)') as (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: number,
  ) => number,
  getsockopt: libc.func('int getsockopt(int, int, int, void*, uint32_t*)') as (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: Uint32Array,
  ) => number,
  attachFilter: libc.func('int setsockopt(int, int, int, const margay_sock_fprog*, uint32_t)') as (
    fd: number,
    level: number,
    option: number,
    program: { readonly len: number; readonly filter: readonly SocketFilter[] },
    length: number,
  ) => number,
  schedSetscheduler: libc.func('int sched_setscheduler(int, int, const void*)') as (
    thread: number,
    policy: number,
    parameters: Uint8Array,
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
  SO_BINDTODEVICE: 25,
  SO_ATTACH_FILTER: 26,
  SO_ACCEPTCONN: 30,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SO_DOMAIN: 39,
  SOL_IP: 0,
  IP_TOS: 1,
  IP_TTL: 2,
  IP_FREEBIND: 15,
  IP_MINTTL: 21,
  SOL_TCP: 6,
  TCP_MD5SIG: 14,
  TCP_MD5SIG_EXT: 32,
  SOL_IPV6: 41,
  IPPROTO_ICMPV6: 58,
  ICMP6_FILTER: 1,
  IPV6_UNICAST_HOPS: 16,
  IPV6_MULTICAST_IF: 17,
  IPV6_MULTICAST_HOPS: 18,
  IPV6_MULTICAST_LOOP: 19,
  IPV6_ADD_MEMBERSHIP: 20,
  IPV6_V6ONLY: 26,
  IPV6_TCLASS: 67,
  IPV6_MINHOPCOUNT: 73,
  IPV6_FREEBIND: 78,
  SOL_NETLINK: 270,
  MSG_DONTWAIT: 0x40,
  MSG_TRUNC: 0x20,
} as const
