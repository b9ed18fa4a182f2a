import { fileURLToPath } from 'node:url'
import type { BenchDaemon } from './daemon.ts'

const MARGAY = fileURLToPath(new URL('../../../../packages/cli/bin/margay', import.meta.url))

/** Where our speaker answers HTTP, inside its namespace. */
export const HTTP_PORT = 9180

/** Our own speaker: `margay bgp run`. */
export const margay: BenchDaemon = {
  name: 'margay',
  config: (setup) =>
    JSON.stringify({
      asn: setup.asn,
      routerId: setup.address,
      http: `127.0.0.1:${HTTP_PORT}`,
      neighbors: setup.peers.map(({ address, asn, client, silent }) => ({
        address,
        asn,
        passive: true,
        families: ['ipv4'],
        holdTime: setup.holdTime,
        ...(client === true ? { routeReflectorClient: true } : {}),
        ...(silent === true ? { export: { rules: [], default: 'reject' } } : {}),
      })),
    }),
  command: (configFile) => [MARGAY, 'bgp', 'run', '--config', configFile],
}
