import { connect, createServer, type Server } from 'node:net'
import { listenIn } from '@margay/netlink'

/**
 * Makes a unix socket reachable over TCP, in this or another network namespace.
 * @returns the server and the port that was bound
 */
export async function proxyToUnixSocket(
  unixPath: string,
  listen: { netns?: string; host: string; port: number },
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ path: unixPath, allowHalfOpen: true })
    const drop = (): void => {
      client.destroy()
      upstream.destroy()
    }
    client.on('error', drop)
    upstream.on('error', drop)
    client.pipe(upstream)
    upstream.pipe(client)
  })
  const { port } = await listenIn(listen.netns, server, { host: listen.host, port: listen.port })
  return { server, port }
}
