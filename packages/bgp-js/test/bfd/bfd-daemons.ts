import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../interop/eventually.ts'
import { NamespacedDaemons } from '../interop/namespaced-daemons.ts'

/** A session as the daemon is told of it: timers are 50 ms × 3 at both ends. */
export interface BfdDaemonPeer {
  readonly address: string
  readonly local: string
  readonly multihop?: boolean
}

/** BIRD or FRR's bfdd in a namespace. */
export abstract class BfdDaemon extends NamespacedDaemons {
  readonly peers: readonly BfdDaemonPeer[]

  constructor(namespace: string, peers: readonly BfdDaemonPeer[]) {
    super(namespace)
    this.peers = peers
  }

  abstract start(): Promise<void>
  /** Whether it holds the session with `address` to be up. */
  abstract isUp(address: string): Promise<boolean>
}

export class BirdBfd extends BfdDaemon {
  async start(): Promise<void> {
    const config = join(this.directory, 'bird.conf')
    const timers = 'min rx interval 50 ms; min tx interval 50 ms; idle tx interval 300 ms; multiplier 3;'
    const neighbors = this.peers.map(({ address, local, multihop }) =>
      multihop === true
        ? `neighbor ${address} local ${local} multihop on;`
        : `neighbor ${address} dev "up0" local ${local};`,
    )
    writeFileSync(
      config,
      `log stderr all; router id 192.0.2.1; protocol device {}
protocol bfd { interface "*" { ${timers} }; multihop { ${timers} }; ${neighbors.join(' ')} }
`,
    )
    this.spawn('bird', ['-f', '-c', config, '-s', join(this.directory, 'ctl'), '-P', join(this.directory, 'pid')])
    await eventually('BIRD answers', async () => this.#sessions().catch(() => undefined), {
      describe: async () => this.log,
    })
  }

  async isUp(address: string): Promise<boolean> {
    return (await this.#sessions()).split('\n').some((line) => line.startsWith(`${address} `) && / Up /.test(line))
  }

  async #sessions(): Promise<string> {
    return this.ask('birdc', ['-s', join(this.directory, 'ctl'), 'show bfd sessions'])
  }
}

export class FrrBfd extends BfdDaemon {
  async start(): Promise<void> {
    // Its daemons give up being root.
    chmodSync(this.directory, 0o777)
    const zserv = join(this.directory, 'zserv')
    const config = join(this.directory, 'bfdd.conf')
    const peers = this.peers.map(({ address, local, multihop }) => {
      const where = multihop === true ? 'multihop' : 'interface up0'
      const names = multihop === true ? `${where} local-address ${local}` : `local-address ${local} ${where}`
      return ` peer ${address} ${names}
  receive-interval 50
  transmit-interval 50
  detect-multiplier 3
  no shutdown
 exit`
    })
    writeFileSync(config, `log stdout\nbfd\n${peers.join('\n')}\nexit\n`)
    writeFileSync(join(this.directory, 'zebra.conf'), '')
    const shared = ['-z', zserv, '--vty_socket', this.directory, '-P', '0', '--log', 'stdout']
    const pid = (name: string): string[] => ['-i', join(this.directory, name)]
    this.spawn('/usr/lib/frr/zebra', ['-f', join(this.directory, 'zebra.conf'), ...pid('zebra.pid'), ...shared])
    await eventually('zebra answers', async () => this.#vtysh('zebra', 'show version').catch(() => undefined), {
      describe: async () => this.log,
    })
    const control = ['--bfdctl', join(this.directory, 'bfdd.sock')]
    this.spawn('/usr/lib/frr/bfdd', ['-f', config, ...pid('bfdd.pid'), ...control, ...shared])
    await eventually('bfdd answers', async () => this.#vtysh('bfdd', 'show bfd peers').catch(() => undefined), {
      describe: async () => this.log,
    })
  }

  async isUp(address: string): Promise<boolean> {
    const peers = JSON.parse(await this.#vtysh('bfdd', 'show bfd peers json')) as { peer: string; status: string }[]
    return peers.find((peer) => peer.peer === address)?.status === 'up'
  }

  async #vtysh(daemon: string, command: string): Promise<string> {
    return this.ask('vtysh', ['--vty_socket', this.directory, '-d', daemon, '-c', command])
  }
}
