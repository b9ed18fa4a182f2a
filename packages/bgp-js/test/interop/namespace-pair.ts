import { execFileSync } from 'node:child_process'

let counter = 0

/** Runs `ip` and returns what it prints. */
const ip = (...args: string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** A link between our namespace and a peer's: `10.9.n.1` and `fd09:n::1` are theirs, `.2` and `::2` ours. */
export interface Link {
  readonly namespace: string
  readonly theirs: { readonly ipv4: string; readonly ipv6: string }
  readonly ours: { readonly ipv4: string; readonly ipv6: string }
}

/** One namespace for our speaker and one per peer, each joined to ours by a veth pair. Goes away when disposed of. */
export class NamespaceStar implements Disposable {
  readonly ours: string
  readonly links: readonly Link[]

  constructor(peers: number) {
    const id = `mgybgp-${process.pid}-${counter++}`
    this.ours = `${id}-us`
    ip('netns', 'add', this.ours)
    ip('-n', this.ours, 'link', 'set', 'lo', 'up')
    this.links = Array.from({ length: peers }, (_, index) => this.#addLink(`${id}-p${index}`, index + 1))
  }

  #addLink(namespace: string, n: number): Link {
    ip('netns', 'add', namespace)
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
    ip('-n', this.ours, 'link', 'add', `p${n}`, 'type', 'veth', 'peer', 'name', 'up0', 'netns', namespace)
    const link: Link = {
      namespace,
      theirs: { ipv4: `10.9.${n}.1`, ipv6: `fd09:${n}::1` },
      ours: { ipv4: `10.9.${n}.2`, ipv6: `fd09:${n}::2` },
    }
    for (const [ns, device, address] of [
      [namespace, 'up0', link.theirs],
      [this.ours, `p${n}`, link.ours],
    ] as const) {
      ip('-n', ns, 'addr', 'add', `${address.ipv4}/24`, 'dev', device)
      ip('-n', ns, 'addr', 'add', `${address.ipv6}/64`, 'dev', device, 'nodad')
      ip('-n', ns, 'link', 'set', device, 'up')
    }
    return link
  }

  [Symbol.dispose](): void {
    for (const { namespace } of this.links) ip('netns', 'del', namespace)
    ip('netns', 'del', this.ours)
  }
}
