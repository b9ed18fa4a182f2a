import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DaemonProcess } from './daemon.ts'
import { eventually } from './eventually.ts'

/** What its processes chroot into; systemd would make it. */
const RUN_DIRECTORY = '/run/openbgpd'
const MARKS = ['community', '65001:77', 'large-community', '65001:7:8', 'ext-community', 'rt', '65001:99']

/** OpenBGPD, coupled to no kernel table. */
export class OpenBgpd extends DaemonProcess {
  readonly name = 'OpenBGPD'
  readonly #withdrawn = new Set<string>()

  async start(): Promise<void> {
    mkdirSync(RUN_DIRECTORY, { recursive: true })
    const config = join(this.directory, 'bgpd.conf')
    writeFileSync(config, this.#text(), { mode: 0o600 })
    this.spawn('/usr/sbin/bgpd', ['-d', '-v', '-f', config])
    await eventually('OpenBGPD answers', async () => this.bgpctl('show', 'summary').catch(() => undefined), {
      describe: async () => this.log,
    })
  }

  async route(prefix: string): Promise<string> {
    const shown = await this.bgpctl('show', 'rib', 'detail', prefix)
    return shown.includes(prefix) ? shown : ''
  }

  async withdraw(prefix: string): Promise<void> {
    this.#withdrawn.add(prefix)
    await this.bgpctl('network', 'delete', prefix)
  }

  async announce(prefix: string): Promise<void> {
    this.#withdrawn.delete(prefix)
    await this.bgpctl('network', 'add', prefix, ...MARKS)
  }

  async bgpctl(...words: string[]): Promise<string> {
    return this.ask('bgpctl', ['-s', this.#socket, ...words])
  }

  get #socket(): string {
    return join(this.directory, 'ctl')
  }

  #neighbor(address: string, asn: number, words: string): string {
    return `neighbor ${address} {
  remote-as ${asn}
  announce IPv4 unicast
  announce IPv6 unicast
${words}
}
`
  }

  #text(): string {
    const { setup, link } = this
    const { password, ttlSecurityHops, ourAddress, third } = setup
    const words = [
      ...(password === undefined ? [] : [`tcp md5sig password "${password}"`]),
      ...(ttlSecurityHops === undefined ? [] : ['ttl-security yes']),
      ...(ourAddress === undefined ? [] : [`multihop ${ttlSecurityHops ?? 10}`]),
      setup.extra ?? '',
      setup.familyExtra ?? '',
    ]
    const networks = setup.networks
      .filter((prefix) => !this.#withdrawn.has(prefix))
      .map((prefix) => `network ${prefix} set { ${MARKS.join(' ')} }\n`)
    return `AS ${setup.asn}
router-id ${setup.routerId}
connect-retry 1
fib-update no
socket "${this.#socket}"
listen on ${link.theirs.ipv4}
listen on ${link.theirs.ipv6}
${networks.join('')}${this.#neighbor(this.ourAddress, setup.ourAsn, words.join('\n'))}
${third === undefined ? '' : this.#neighbor(third.address, third.asn, third.extra ?? '')}
allow from any
allow to any
`
  }
}
