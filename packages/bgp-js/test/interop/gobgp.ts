import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DaemonProcess } from './daemon.ts'
import { eventually } from './eventually.ts'

/** GoBGP. */
export class GoBgp extends DaemonProcess {
  readonly name = 'GoBGP'
  /** Its routes are given to it at run time, and a restarted process has none. */
  readonly #withdrawn = new Set<string>()

  async start(): Promise<void> {
    const config = join(this.directory, 'gobgpd.toml')
    writeFileSync(config, this.#text())
    this.spawn('gobgpd', ['-t', 'toml', '-f', config, '--api-hosts', '127.0.0.1:50051', '--log-plain', '-l', 'debug'])
    await eventually('GoBGP answers', async () => this.gobgp('global').catch(() => undefined), {
      describe: async () => this.log,
    })
    const announced = this.setup.networks.filter((prefix) => !this.#withdrawn.has(prefix))
    // oxlint-disable-next-line no-await-in-loop -- a handful
    for (const prefix of announced) await this.announce(prefix)
  }

  async route(prefix: string): Promise<string> {
    const shown = await this.gobgp('global', 'rib', '-a', family(prefix), prefix).catch(() => '')
    return shown.includes(prefix) ? shown : ''
  }

  async withdraw(prefix: string): Promise<void> {
    this.#withdrawn.add(prefix)
    await this.gobgp('global', 'rib', 'del', prefix, '-a', family(prefix))
  }

  async announce(prefix: string): Promise<void> {
    this.#withdrawn.delete(prefix)
    const nexthop =
      family(prefix) === 'ipv6' || this.setup.extendedNextHop === true ? this.link.theirs.ipv6 : this.link.theirs.ipv4
    const marks = ['community', '65001:77', 'large-community', '65001:7:8', 'rt', '65001:99']
    await this.gobgp('global', 'rib', 'add', prefix, 'nexthop', nexthop, ...marks, '-a', family(prefix))
  }

  /** A command of its client. */
  async gobgp(...words: string[]): Promise<string> {
    return this.ask('gobgp', words)
  }

  #distance(): string {
    const { ttlSecurityHops, ourAddress } = this.setup
    if (ttlSecurityHops !== undefined) {
      return `\n  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = ${256 - ttlSecurityHops}`
    }
    return ourAddress === undefined
      ? ''
      : `\n  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 10`
  }

  #text(): string {
    const { setup } = this
    const families = ['ipv4-unicast', 'ipv6-unicast'].map(
      (name) => `
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${name}"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
${setup.familyExtra ?? ''}`,
    )
    const third =
      setup.third === undefined
        ? ''
        : `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${setup.third.address}"
    peer-as = ${setup.third.asn}
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
`
    return `[global.config]
  as = ${setup.asn}
  router-id = "${setup.routerId}"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${this.ourAddress}"
    peer-as = ${setup.ourAsn}${setup.password === undefined ? '' : `\n    auth-password = "${setup.password}"`}
${this.#distance()}${setup.extra ?? ''}
  [neighbors.timers.config]
    connect-retry = 5
    idle-hold-time-after-reset = 1
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
    long-lived-enabled = true${families.join('')}
${third}`
  }
}

const family = (prefix: string): 'ipv4' | 'ipv6' => (prefix.includes(':') ? 'ipv6' : 'ipv4')
