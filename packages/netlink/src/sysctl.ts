import { readFileSync, writeFileSync } from 'node:fs'
import { NetlinkError } from './errors.ts'
import { inNetns, type Netns } from './netns.ts'

/**
 * Reads a sysctl below `net` in `netns` (undefined: here). Dots separate; a slash does too, so that a device with a
 * dot in its name can be written `net/ipv4/conf/eth0.100/forwarding`.
 * @returns the value without its line end. @throws {NetlinkError} NETLINK_ENOENT …
 */
export function readSysctl(netns: Netns | undefined, name: string): string {
  const path = sysctlPath(name)
  return named(`read sysctl ${name}`, () => inNetns(netns, () => readFileSync(path, 'utf8').trimEnd()))
}

/** Writes a sysctl below `net` in `netns` (undefined: here). @throws {NetlinkError} NETLINK_ENOENT, NETLINK_EINVAL … */
export function writeSysctl(netns: Netns | undefined, name: string, value: string | number): void {
  const path = sysctlPath(name)
  named(`write sysctl ${name} = ${value}`, () => inNetns(netns, () => writeFileSync(path, `${value}`, { flag: 'r+' })))
}

function sysctlPath(name: string): string {
  const parts = name.includes('/') ? name.split('/') : name.split('.')
  const legal = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
  if (parts[0] !== 'net' || parts.length < 2 || !legal) {
    throw NetlinkError.badInput('name', name, 'is not a sysctl such as net.ipv4.ip_forward')
  }
  // The entries follow the namespace of the thread that opens them.
  return `/proc/sys/${parts.join('/')}`
}

function named<T>(request: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException
    if (error instanceof NetlinkError || errno === undefined) throw error
    throw NetlinkError.fromErrno(Math.abs(errno), request)
  }
}
