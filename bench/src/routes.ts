import { execFileSync, spawnSync } from 'node:child_process'
import { Address, Prefix } from '@margay/net'
import { createNetns, deleteNetns, openRoute, type RouteChange } from '@margay/netlink'
import { round, summarize } from './statistics.ts'

const NETNS = `mgy-bench-${process.pid}`
const ROUTES = 50_000
const RUNS = 5

/** Routes programmed per second: our netlink batches beside `ip -batch` of iproute2, in turn, in one namespace. */
export async function benchRoutes(): Promise<object> {
  createNetns(NETNS)
  try {
    execFileSync('ip', ['-n', NETNS, 'link', 'add', 'name', 'up0', 'type', 'veth', 'peer', 'name', 'up1'])
    for (const link of ['up0', 'up1']) execFileSync('ip', ['-n', NETNS, 'link', 'set', link, 'up'])
    execFileSync('ip', ['-n', NETNS, 'address', 'add', '172.31.0.1/24', 'dev', 'up0'])
    const ours: number[] = []
    const theirs: number[] = []
    for (let run = 0; run < RUNS; run++) {
      ours.push(await withNetlink())
      theirs.push(withIproute())
    }
    const [a, b] = [summarize(ours), summarize(theirs)]
    return { routes: ROUTES, unit: 'routes per second', margay: a, 'ip -batch': b, ratio: round(a.p50 / b.p50) }
  } finally {
    deleteNetns(NETNS)
  }
}

function destinations(): Prefix[] {
  const base = Address.parse('10.0.0.0')
  return Array.from({ length: ROUTES }, (_, index) => new Prefix(base.plus(index * 64), 26))
}

async function withNetlink(): Promise<number> {
  await using socket = openRoute({ netns: NETNS })
  const gateway = Address.parse('172.31.0.2')
  const routes = destinations().map((dst) => ({ dst, gateway, protocol: 77 }))
  const change = (op: RouteChange['op']): RouteChange[] => routes.map((route) => ({ op, route }))
  const begin = performance.now()
  const results = await socket.applyRoutes(change('add'))
  const seconds = (performance.now() - begin) / 1000
  const failure = results.find((result) => result !== undefined)
  if (failure !== undefined) throw failure
  await socket.applyRoutes(change('delete'))
  return ROUTES / seconds
}

function withIproute(): number {
  const batch = (verb: string): string =>
    destinations()
      .map((dst) => `route ${verb} ${dst} via 172.31.0.2 proto 77\n`)
      .join('')
  const run = (verb: string): number => {
    const begin = performance.now()
    const { status, stderr } = spawnSync('ip', ['-n', NETNS, '-batch', '-'], { input: batch(verb), encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return (performance.now() - begin) / 1000
  }
  const seconds = run('add')
  run('del')
  return ROUTES / seconds
}
