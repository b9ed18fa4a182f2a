import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DaemonProcess } from './daemon.ts'
import { eventually } from './eventually.ts'

/** What ExaBGP's JSON encoder says of one message of a neighbor. */
interface ExaEvent {
  readonly type: string
  readonly neighbor: {
    readonly address: { readonly peer: string }
    readonly state?: string
    readonly message?: {
      readonly update?: {
        readonly attribute?: object
        readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly ExaNlri[]>>>>
        readonly withdraw?: Readonly<Record<string, readonly ExaNlri[]>>
      }
    }
  }
}

interface ExaNlri {
  readonly nlri: string
  readonly 'path-information'?: string
}

/** ExaBGP 4: routes go in as commands of its API and come out as JSON; it has no table of what it received. */
export class ExaBgp extends DaemonProcess {
  readonly name = 'ExaBGP'
  readonly #withdrawn = new Set<string>()

  async start(): Promise<void> {
    writeFileSync(this.#file('exabgp.conf'), this.#text())
    writeFileSync(this.#file('commands'), '')
    writeFileSync(this.#file('events'), '')
    // Its standard output are commands to ExaBGP, its standard input what ExaBGP says.
    writeFileSync(
      this.#file('api.sh'),
      `tail -n +1 -f ${this.#file('commands')} &\ncat > ${this.#file('events')}\nkill $!\n`,
    )
    for (const prefix of this.setup.networks) if (!this.#withdrawn.has(prefix)) this.command(this.#announcement(prefix))
    const settings = [
      'exabgp_daemon_drop=false',
      'exabgp_daemon_user=root',
      'exabgp_api_cli=false',
      'exabgp_api_ack=false',
    ]
    this.spawn('env', [...settings, 'exabgp_log_level=DEBUG', '/usr/sbin/exabgp', this.#file('exabgp.conf')])
    await eventually('ExaBGP listens', async () => (await this.ask('ss', ['-Hltn', 'sport = :179'])) !== '', {
      describe: async () => this.log,
    })
  }

  /** A command of its API. */
  command(line: string): void {
    appendFileSync(this.#file('commands'), `${line}\n`)
  }

  async route(prefix: string): Promise<string> {
    const paths = this.paths(prefix)
    return paths.length === 0 ? '' : JSON.stringify(paths)
  }

  /** The paths of a prefix that stand, each as attributes with `nextHop` and `from`. */
  paths(prefix: string): object[] {
    const standing = new Map<string, object>()
    for (const event of this.#events()) {
      const from = event.neighbor.address.peer
      if (event.type === 'state' && event.neighbor.state === 'down') {
        for (const key of standing.keys()) if (key.startsWith(`${from} `)) standing.delete(key)
      }
      const { attribute, announce, withdraw } = event.neighbor.message?.update ?? {}
      const key = (item: ExaNlri): string => `${from} ${item['path-information'] ?? ''}`
      for (const items of Object.values(withdraw ?? {})) {
        for (const item of items) if (item.nlri === prefix) standing.delete(key(item))
      }
      for (const byNextHop of Object.values(announce ?? {})) {
        for (const [nextHop, items] of Object.entries(byNextHop)) {
          for (const item of items) if (item.nlri === prefix) standing.set(key(item), { from, nextHop, ...attribute })
        }
      }
    }
    return [...standing.values()]
  }

  /** What it heard, as it says it. */
  get heard(): string {
    return readFileSync(this.#file('events'), 'utf8')
  }

  async withdraw(prefix: string): Promise<void> {
    this.#withdrawn.add(prefix)
    this.command(`withdraw route ${prefix} next-hop ${this.#nextHop(prefix)}`)
  }

  async announce(prefix: string): Promise<void> {
    this.#withdrawn.delete(prefix)
    this.command(this.#announcement(prefix))
  }

  #events(): ExaEvent[] {
    const lines = this.heard.split('\n')
    // The last one may be half written, or empty.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as ExaEvent)
  }

  #announcement(prefix: string): string {
    const marks = 'community [ 65001:77 ] large-community [ 65001:7:8 ] extended-community [ target:65001:99 ]'
    return `announce route ${prefix} next-hop ${this.#nextHop(prefix)} ${marks}`
  }

  #nextHop(prefix: string): string {
    const isIpv6 = prefix.includes(':') || this.setup.extendedNextHop === true
    return isIpv6 ? this.link.theirs.ipv6 : this.link.theirs.ipv4
  }

  #file(name: string): string {
    return join(this.directory, name)
  }

  #neighbor(address: string, asn: number, options: string, words: string): string {
    const { setup, link } = this
    return `neighbor ${address} {
  router-id ${setup.routerId};
  local-address ${address.includes(':') ? link.theirs.ipv6 : link.theirs.ipv4};
  local-as ${setup.asn};
  peer-as ${asn};
  ${options}
  family { ipv4 unicast; ipv6 unicast; }
  ${setup.extendedNextHop === true ? 'nexthop { ipv4 unicast ipv6; }' : ''}
  capability { graceful-restart 60; route-refresh enable; ${words} }
  api { processes [ margay ]; neighbor-changes; receive { parsed; update; } }
}
`
  }

  #text(): string {
    const { setup } = this
    const { password, ttlSecurityHops, third } = setup
    const key = password === undefined ? '' : `md5-password '${password}'; `
    // No incoming-ttl: the Python of Debian has no IP_MINTTL.
    const ttl = ttlSecurityHops === undefined ? '' : 'outgoing-ttl 255; '
    return `process margay { run /bin/sh ${this.#file('api.sh')}; encoder json; }
${this.#neighbor(this.ourAddress, setup.ourAsn, `listen 179; ${key}${ttl}${setup.extra ?? ''}`, setup.familyExtra ?? '')}
${third === undefined ? '' : this.#neighbor(third.address, third.asn, '', third.extra ?? '')}`
  }
}
