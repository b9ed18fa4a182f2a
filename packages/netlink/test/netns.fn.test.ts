import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  createNetns,
  currentNetns,
  deleteNetns,
  listNetns,
  openNetns,
  openRoute,
  readSysctl,
  sameNetns,
  withNetns,
  writeSysctl,
} from '../src/index.ts'
import { scratchNetns } from './scratch-netns.ts'

const openFiles = (): number => readdirSync('/proc/self/fd').length
const netnsMounts = (prefix: string): number =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`/netns/${prefix}`)).length

describe('namespaces', () => {
  test('ip netns knows what we make, and we know what it makes', () => {
    using scratch = scratchNetns()
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).toContain(scratch.name)
    expect(scratch.run('ip', '-br', 'link')).toMatch(/^lo /)
    using handle = openNetns(scratch.name)
    using again = openNetns(`/run/netns/${scratch.name}`)
    using here = currentNetns()
    expect(sameNetns(handle, again)).toBe(true)
    expect(sameNetns(handle, here)).toBe(false)
    const name = `${scratch.name}-ip`
    execFileSync('ip', ['netns', 'add', name])
    expect(listNetns()).toContain(name)
    deleteNetns(name)
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(name)
  })

  test('making and deleting 50 leaves neither a mount nor a descriptor', async () => {
    const prefix = `nlt-${process.pid}-loop`
    createNetns(`${prefix}-warm`)
    deleteNetns(`${prefix}-warm`)
    const before = openFiles()
    for (let i = 0; i < 50; i++) {
      const name = `${prefix}${i}`
      createNetns(name)
      await using route = openRoute({ netns: name })
      await route.setLink('lo', { up: true })
      deleteNetns(name)
    }
    expect(openFiles()).toBe(before)
    expect(netnsMounts(prefix)).toBe(0)
    expect(listNetns().filter((name) => name.startsWith(prefix))).toEqual([])
  })

  test('an open handle keeps the namespace alive after its name is gone', async () => {
    const scratch = scratchNetns()
    using handle = openNetns(scratch.name)
    deleteNetns(scratch.name)
    await using route = openRoute({ netns: handle })
    expect((await route.links()).map((link) => link.name)).toEqual(['lo'])
  })

  test('withNetns comes back after an exception, and refuses a promise', () => {
    using scratch = scratchNetns()
    using handle = openNetns(scratch.name)
    using home = currentNetns()
    expect(withNetns(handle, () => readFileSync('/proc/thread-self/net/dev', 'utf8')).match(/\w+:/g)).toEqual(['lo:'])
    expect(() =>
      withNetns(handle, () => {
        throw new Error('inside')
      }),
    ).toThrow('inside')
    expect(() => withNetns(handle, async () => await Promise.resolve(1))).toThrow('must be synchronous')
    using now = currentNetns()
    expect(sameNetns(home, now)).toBe(true)
  })

  test('threads of the pool are not born inside a namespace', () => {
    using scratch = scratchNetns()
    const script = `
      import { openNetns, withNetns } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
      import { readdirSync, readlinkSync, stat } from 'node:fs'
      const handle = openNetns(${JSON.stringify(scratch.name)})
      withNetns(handle, () => stat('/', () => {}))
      const all = readdirSync('/proc/self/task').map((id) => readlinkSync('/proc/self/task/' + id + '/ns/net'))
      console.log(new Set(all).size, all.length > 4)
      handle.close()`
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(out.trim()).toBe('1 true')
  })

  test('errors: no such name, no namespace, a bad name, a name taken, a dead file', () => {
    using scratch = scratchNetns()
    expect(() => openNetns('no-such')).toThrow(expect.objectContaining({ code: 'NETLINK_ENOENT' }))
    expect(() => openNetns('/etc/passwd')).toThrow(expect.objectContaining({ code: 'NETLINK_NOT_A_NETNS' }))
    expect(() => openNetns('/proc/self/ns/mnt')).toThrow(expect.objectContaining({ code: 'NETLINK_NOT_A_NETNS' }))
    expect(() => createNetns('../x')).toThrow(expect.objectContaining({ code: 'NETLINK_BAD_INPUT', field: 'name' }))
    expect(() => createNetns(scratch.name)).toThrow(expect.objectContaining({ code: 'NETLINK_EEXIST' }))
    expect(() => deleteNetns('no-such')).toThrow(expect.objectContaining({ code: 'NETLINK_ENOENT' }))
    const dead = `${scratch.name}-dead`
    writeFileSync(`/run/netns/${dead}`, '')
    deleteNetns(dead)
    expect(existsSync(`/run/netns/${dead}`)).toBe(false)
    rmSync(`/run/netns/${dead}`, { force: true })
  })
})

describe('sysctls', () => {
  test('are read and written in their namespace', async () => {
    using scratch = scratchNetns()
    using handle = openNetns(scratch.name)
    await using route = openRoute({ netns: handle })
    await route.addLink({ kind: 'bridge', name: 'br.1' })
    const outside = readSysctl(undefined, 'net.ipv4.ip_forward')
    writeSysctl(handle, 'net.ipv4.ip_forward', outside === '1' ? 0 : 1)
    expect(readSysctl(undefined, 'net.ipv4.ip_forward')).toBe(outside)
    expect(readSysctl(handle, 'net.ipv4.ip_forward')).toBe(outside === '1' ? '0' : '1')
    writeSysctl(scratch.name, 'net/ipv4/conf/br.1/proxy_arp', '1')
    expect(scratch.run('cat', '/proc/sys/net/ipv4/conf/br.1/proxy_arp').trim()).toBe('1')
    expect(() => readSysctl(handle, 'net.ipv4.conf.nodev.proxy_arp')).toThrow(
      expect.objectContaining({ code: 'NETLINK_ENOENT', request: 'read sysctl net.ipv4.conf.nodev.proxy_arp' }),
    )
    expect(() => writeSysctl(handle, 'net.ipv4.ip_forward', 'many')).toThrow(
      expect.objectContaining({ code: 'NETLINK_EINVAL' }),
    )
    expect(() => readSysctl(handle, 'net/../kernel/hostname')).toThrow(
      expect.objectContaining({ code: 'NETLINK_BAD_INPUT' }),
    )
  })
})
