import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DaemonProcess } from './daemon.ts'
import { eventually } from './eventually.ts'

/** FRR's bgpd, alone. */
export class Frr extends DaemonProcess {
  readonly name = 'FRR'

  async start(): Promise<void> {
    const config = join(this.directory, 'bgpd.conf')
    writeFileSync(config, this.#text())
    const pid = join(this.directory, 'pid')
    // No zebra (-Z), no telnet (-P 0), no change of user (-S).
    const kernel = this.setup.kernel === true ? ['-z', await this.#zebra()] : ['-Z']
    const args = ['-f', config, '-i', pid, '--vty_socket', this.directory, ...kernel, '-P', '0', '-S']
    this.spawn('/usr/lib/frr/bgpd', [...args, '--log', 'stdout'])
    await eventually('FRR answers', async () => this.vtysh('show bgp summary').catch(() => undefined), {
      describe: async () => this.log,
    })
  }

  /** Starts what gives routes to the kernel, once. @returns its socket */
  async #zebra(): Promise<string> {
    const socket = join(this.directory, 'zserv')
    if (existsSync(socket)) return socket
    chmodSync(this.directory, 0o777)
    const config = join(this.directory, 'zebra.conf')
    writeFileSync(config, '')
    const own = ['-f', config, '-i', join(this.directory, 'zebra.pid'), '-z', socket]
    this.spawnBeside('/usr/lib/frr/zebra', [...own, '--vty_socket', this.directory, '-P', '0', '--log', 'stdout'])
    await eventually('zebra listens', async () => existsSync(socket), { describe: async () => this.log })
    return socket
  }

  async route(prefix: string): Promise<string> {
    const shown = await this.vtysh(`show bgp ${family(prefix)} unicast ${prefix}`)
    return shown.includes('Network not in table') ? '' : shown
  }

  async withdraw(prefix: string): Promise<void> {
    await this.#configure(prefix, `no network ${prefix}`)
  }

  async announce(prefix: string): Promise<void> {
    await this.#configure(prefix, `network ${prefix} route-map mark`)
  }

  async #configure(prefix: string, line: string): Promise<void> {
    const steps = [
      'configure terminal',
      `router bgp ${this.setup.asn}`,
      `address-family ${family(prefix)} unicast`,
      line,
    ]
    await this.vtysh(...steps)
  }

  /** Commands of its shell, one after the other. */
  async vtysh(...commands: string[]): Promise<string> {
    const steps = commands.flatMap((command) => ['-c', command])
    return this.ask('vtysh', ['--vty_socket', this.directory, '-d', 'bgpd', ...steps])
  }

  #protection(): string {
    const { password, ttlSecurityHops, ourAddress } = this.setup
    const us = this.ourAddress
    const key = password === undefined ? '' : `\n neighbor ${us} password ${password}`
    if (ttlSecurityHops !== undefined) return `${key}\n neighbor ${us} ttl-security hops ${ttlSecurityHops}`
    return ourAddress === undefined ? key : `${key}\n neighbor ${us} ebgp-multihop 10`
  }

  #words(words: string | undefined): string {
    return (words ?? '').replaceAll('PEER', this.ourAddress)
  }

  #text(): string {
    const { setup, link } = this
    const { third } = setup
    const us = this.ourAddress
    const networks = (name: string): string =>
      setup.networks
        .filter((prefix) => family(prefix) === name)
        .map((prefix) => `  network ${prefix} route-map mark`)
        .join('\n')
    return `log stdout
log timestamp precision 3
debug bgp neighbor-events
bgp route-map delay-timer 0
route-map mark permit 10
 set community 65001:77
 set large-community 65001:7:8
 set extcommunity rt 65001:99
exit
router bgp ${setup.asn}
 bgp router-id ${setup.routerId}
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 coalesce-time 10
${setup.kernel === true ? ' bgp graceful-restart preserve-fw-state' : ''}
 neighbor ${us} remote-as ${setup.ourAsn}
 neighbor ${us} timers connect 2${this.#protection()}
${setup.extendedNextHop === true ? ` neighbor ${us} capability extended-nexthop` : ''}
${this.#words(setup.extra)}
${third === undefined ? '' : ` neighbor ${third.address} remote-as ${third.asn}\n neighbor ${third.address} passive`}
 address-family ipv4 unicast
${networks('ipv4')}
  neighbor ${us} activate
${this.#words(setup.familyExtra)}
 exit-address-family
 address-family ipv6 unicast
${networks('ipv6')}
  neighbor ${us} activate
  neighbor ${us} route-map v6hop out
${this.#words(setup.familyExtra)}
 exit-address-family
exit
route-map v6hop permit 10
 set ipv6 next-hop global ${link.theirs.ipv6}
exit
`
  }
}

const family = (prefix: string): 'ipv4' | 'ipv6' => (prefix.includes(':') ? 'ipv6' : 'ipv4')
