import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { formatRoute, openNetns, type RouteWatch, watchRoute } from '@margay/netlink'
import { runIn } from './run-program.ts'

const MARKER = 'margay-e2e-marker'

/** Remembers every change of the routes and of the rules of some namespaces. */
export class KernelWatch {
  readonly #changes: string[] = []
  readonly #routes: readonly { readonly watch: RouteWatch; readonly reading: Promise<void> }[]
  readonly #monitors: readonly ChildProcessWithoutNullStreams[]

  private constructor(netnses: readonly string[]) {
    this.#routes = netnses.map((name) => {
      using netns = openNetns(name)
      const watch = watchRoute({ netns, groups: ['ipv4-route', 'ipv6-route'] })
      return { watch, reading: this.#readRoutes(name, watch) }
    })
    this.#monitors = netnses.map((netns) => spawn('nsenter', [`--net=/run/netns/${netns}`, 'nft', 'monitor']))
  }

  /** Resolves when both kinds of changes are heard. */
  static async start(netnses: readonly string[]): Promise<KernelWatch> {
    const watch = new KernelWatch(netnses)
    await Promise.all(watch.#monitors.map(async (monitor, index) => watch.#readRules(netnses[index] ?? '', monitor)))
    return watch
  }

  /** What has changed so far. */
  get changes(): readonly string[] {
    return [...this.#changes]
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#routes.map(async ({ watch, reading }) => {
        await watch.close()
        await reading
      }),
    )
    await Promise.all(
      this.#monitors.map(async (monitor) => {
        if (monitor.exitCode !== null) return
        const closed = once(monitor, 'close')
        monitor.kill()
        await closed
      }),
    )
  }

  async #readRoutes(netns: string, watch: RouteWatch): Promise<void> {
    for await (const event of watch) {
      if (event.type === 'route') this.#changes.push(`${netns}: ${event.change} route ${formatRoute(event.route)}`)
      if (event.type === 'overrun') this.#changes.push(`${netns}: events were lost`)
    }
  }

  /** Resolves when the monitor is heard to tell of a table that is made for it to tell of. */
  async #readRules(netns: string, monitor: ChildProcessWithoutNullStreams): Promise<void> {
    let isHeard = false
    const take = (line: string): void => {
      if (line.includes(MARKER)) isHeard = true
      else if (line !== '' && !line.startsWith('# new generation')) this.#changes.push(`${netns}: nft ${line}`)
    }
    for (const input of [monitor.stdout, monitor.stderr]) createInterface({ input }).on('line', take)
    while (!isHeard) {
      if (monitor.exitCode !== null) throw new Error(`nft monitor ended in ${netns}: ${this.#changes.at(-1)}`)
      await runIn(netns, ['nft', 'add table ip', MARKER])
      await runIn(netns, ['nft', 'delete table ip', MARKER])
    }
  }
}
