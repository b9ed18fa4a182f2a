import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DaemonProcess } from './daemon.ts'
import { eventually } from './eventually.ts'

/** BIRD 2. */
export class Bird extends DaemonProcess {
  readonly name = 'BIRD'
  readonly #withdrawn = new Set<string>()
  #isStarted = false

  async start(): Promise<void> {
    this.#write()
    // Told to come back (-R), it says that the kernel has kept its routes, and leaves them there.
    const recovery = this.#isStarted && this.setup.kernel === true ? ['-R'] : []
    this.#isStarted = true
    this.spawn('bird', [...recovery, '-f', '-c', this.#config, '-s', this.#socket, '-P', join(this.directory, 'pid')])
    await eventually('BIRD answers', async () => this.birdc('show status').catch(() => undefined), {
      describe: async () => this.log,
    })
  }

  async route(prefix: string): Promise<string> {
    const shown = await this.birdc(`show route for ${prefix} all`).catch((error: Error & { stdout?: string }) => {
      // birdc exits with 1 to say so.
      if (error.stdout?.includes('Network not found') === true) return ''
      throw error
    })
    return shown.includes(prefix) ? shown : ''
  }

  async withdraw(prefix: string): Promise<void> {
    this.#withdrawn.add(prefix)
    this.#write()
    await this.birdc('configure')
  }

  async announce(prefix: string): Promise<void> {
    this.#withdrawn.delete(prefix)
    this.#write()
    await this.birdc('configure')
  }

  get #config(): string {
    return join(this.directory, 'bird.conf')
  }

  get #socket(): string {
    return join(this.directory, 'ctl')
  }

  /** A command of its control socket. */
  async birdc(command: string): Promise<string> {
    return this.ask('birdc', ['-s', this.#socket, command])
  }

  #protection(): string {
    const { password, ttlSecurityHops, ourAddress } = this.setup
    const key = password === undefined ? '' : ` password "${password}";`
    const distance = ourAddress === undefined ? '' : ` multihop ${ttlSecurityHops ?? 10};`
    return `${key}${distance}${ttlSecurityHops === undefined ? '' : ' ttl security on;'}`
  }

  #write(): void {
    const { setup } = this
    const { third } = setup
    const of = (v6: boolean): string =>
      setup.networks
        .filter((prefix) => prefix.includes(':') === v6 && !this.#withdrawn.has(prefix))
        .map((prefix) => `route ${prefix} blackhole;`)
        .join(' ')
    writeFileSync(
      this.#config,
      `log stderr all;
router id ${setup.routerId};
protocol device {}
protocol static s4 { ipv4; ${of(false)} }
protocol static s6 { ipv6; ${of(true)} }
${setup.kernel === true ? 'protocol kernel { ipv4 { export where source = RTS_BGP; }; persist; graceful restart; }' : ''}
filter mark {
  if source != RTS_STATIC then accept;
  bgp_community.add((65001, 77));
  bgp_large_community.add((65001, 7, 8));
  bgp_ext_community.add((rt, 65001, 99));
  accept;
}
${this.#session('margay', setup.neighbor ?? this.ourAddress, setup.ourAsn, `${this.#protection()} ${setup.extra ?? ''}`)}
${third === undefined ? '' : this.#session('third', third.address, third.asn, `passive on; ${third.extra ?? ''}`)}`,
    )
  }

  #session(name: string, address: string, asn: number, words: string): string {
    const { setup, link } = this
    const local = setup.neighbor === undefined ? link.theirs[setup.transport ?? 'ipv4'] : ''
    const channel = `import all; export filter mark; ${name === 'margay' ? (setup.familyExtra ?? '') : ''}`
    return `protocol bgp ${name} {
  local ${local} as ${setup.asn};
  neighbor ${address} as ${asn};
  ${words}
  graceful restart on;
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ipv4 { ${channel} ${setup.extendedNextHop === true ? 'extended next hop on' : `next hop address ${link.theirs.ipv4}`}; };
  ipv6 { ${channel} next hop address ${link.theirs.ipv6}; };
}
`
  }
}
