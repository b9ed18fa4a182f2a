import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, rmSync, stat, writeFileSync } from 'node:fs'
import { NetlinkError } from './errors.ts'
import { check, lastErrno, sys } from './libc.ts'

/** Where `ip netns` and the container runtimes keep named namespaces. */
const NETNS_DIRECTORY = '/run/netns'
const CLONE_NEWNET = 0x40000000
const NS_GET_NSTYPE = 0xb703
const MS_BIND = 4096
const MS_REC = 16384
const MS_SHARED = 1 << 20
const MNT_DETACH = 2
const LOCK_EX = 2
const EINVAL = 22

/** A namespace held open: it lives on while this is open, even when its name is deleted. */
export interface NetnsHandle extends Disposable {
  readonly fd: number
  /** What it was opened by. */
  readonly path: string
  /** Inode of the namespace: equal for two handles of one namespace. */
  readonly inode: number
  close(): void
}

/** A namespace: an open handle, a name in /run/netns, or a path such as `/proc/4242/ns/net`. */
export type Netns = NetnsHandle | string

/** @throws {NetlinkError} NETLINK_ENOENT, or NETLINK_NOT_A_NETNS for a file of another kind. */
export function openNetns(nameOrPath: string): NetnsHandle {
  const path = nameOrPath.includes('/') ? nameOrPath : `${NETNS_DIRECTORY}/${checkNetnsName(nameOrPath)}`
  const request = `open network namespace ${nameOrPath}`
  const fd = fromNodeError(request, () => openSync(path, 'r'))
  if (sys.ioctl(fd, NS_GET_NSTYPE, null) !== CLONE_NEWNET) {
    closeSync(fd)
    throw new NetlinkError('NETLINK_NOT_A_NETNS', request, `${path} is not a network namespace`)
  }
  let open = true
  const close = (): void => {
    if (open) closeSync(fd)
    open = false
  }
  return { fd, path, inode: fstatSync(fd).ino, close, [Symbol.dispose]: close }
}

/** The namespace of the calling thread. */
export const currentNetns = (): NetnsHandle => openNetns('/proc/thread-self/ns/net')

/** Runs `work` in `netns`, or where we are when it is undefined. A name or path is opened for this call only. */
export function inNetns<T>(netns: Netns | undefined, work: () => T): T {
  if (netns === undefined) return work()
  if (typeof netns !== 'string') return withNetns(netns, work)
  using handle = openNetns(netns)
  return withNetns(handle, work)
}

let threadsStarted = false

/**
 * Moves this thread into `netns`, runs `work`, and moves it back: for calls whose effect is bound to the thread's
 * namespace (socket(), files under /proc/sys/net). `work` must be synchronous. Threads and processes that it starts
 * would stay in `netns`.
 * If the way back fails the process ends: everything after would happen in the wrong network.
 */
export function withNetns<T>(netns: NetnsHandle, work: () => T): T {
  // libuv starts its thread pool on the first use; inside `netns` all its threads would be born there for ever.
  if (!threadsStarted) stat('/', () => undefined)
  threadsStarted = true
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    check(sys.setns(netns.fd, CLONE_NEWNET), `enter network namespace ${netns.path}`)
    try {
      return requireSynchronous(work())
    } finally {
      returnHome(home)
    }
  } finally {
    closeSync(home)
  }
}

function returnHome(home: number): void {
  if (sys.setns(home, CLONE_NEWNET) === 0) return
  process.stderr.write('netlink: cannot return to the own network namespace: ending the process\n')
  process.abort()
}

function requireSynchronous<T>(result: T): T {
  if (result instanceof Promise) {
    throw NetlinkError.badInput('work', 'a promise', 'must be synchronous: its rest would run in another namespace')
  }
  return result
}

/**
 * Makes a namespace that `ip netns exec NAME` knows too. Its loopback device is down, as everywhere.
 * @throws {NetlinkError} NETLINK_EEXIST
 */
export function createNetns(name: string): void {
  const request = `create network namespace ${name}`
  const path = `${NETNS_DIRECTORY}/${checkNetnsName(name)}`
  prepareDirectory(request)
  fromNodeError(request, () => writeFileSync(path, '', { flag: 'wx', mode: 0o444 }))
  try {
    using home = currentNetns()
    // To come back is withNetns's promise: entering the own namespace changes nothing, leaving it again returns.
    withNetns(home, () => {
      check(sys.unshare(CLONE_NEWNET), request)
      check(sys.mount('/proc/thread-self/ns/net', path, null, MS_BIND, null), request)
    })
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
}

/** Removes the name; the kernel ends the namespace once nothing uses it. @throws {NetlinkError} NETLINK_ENOENT */
export function deleteNetns(name: string): void {
  const request = `delete network namespace ${name}`
  const path = `${NETNS_DIRECTORY}/${checkNetnsName(name)}`
  if (sys.umount2(path, MNT_DETACH) < 0) {
    const errno = lastErrno()
    // EINVAL: a file that no namespace is mounted on, left by a creator that died half-way. It goes too.
    if (errno !== EINVAL) throw NetlinkError.fromErrno(errno, request)
  }
  fromNodeError(request, () => rmSync(path))
}

/** Names in /run/netns, sorted. */
export function listNetns(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY).toSorted()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Whether `a` and `b` are the same namespace. */
export function sameNetns(a: Netns, b: Netns): boolean {
  return inodeOf(a) === inodeOf(b)
}

function inodeOf(netns: Netns): number {
  if (typeof netns !== 'string') return netns.inode
  using handle = openNetns(netns)
  return handle.inode
}

/** A shared mount on itself, as `ip netns` makes it, so that namespaces show in every mount namespace. */
function prepareDirectory(request: string): void {
  mkdirSync(NETNS_DIRECTORY, { recursive: true, mode: 0o755 })
  const lock = openSync(NETNS_DIRECTORY, 'r')
  try {
    check(sys.flock(lock, LOCK_EX), request)
    if (sys.mount('', NETNS_DIRECTORY, 'none', MS_SHARED | MS_REC, null) === 0) return
    if (lastErrno() !== EINVAL) throw NetlinkError.fromErrno(lastErrno(), request)
    check(sys.mount(NETNS_DIRECTORY, NETNS_DIRECTORY, 'none', MS_BIND | MS_REC, null), request)
    check(sys.mount('', NETNS_DIRECTORY, 'none', MS_SHARED | MS_REC, null), request)
  } finally {
    closeSync(lock)
  }
}

function checkNetnsName(name: string): string {
  if (typeof name !== 'string' || !/^[\w.@+-]{1,200}$/.test(name) || name === '.' || name === '..') {
    throw NetlinkError.badInput('name', name, 'is not a namespace name')
  }
  return name
}

/** Node's own file errors as ours: same errno, same names. */
function fromNodeError<T>(request: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException
    if (errno === undefined) throw error
    throw NetlinkError.fromErrno(-errno, request)
  }
}
