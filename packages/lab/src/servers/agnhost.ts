/** Stands in for agnhost's `netexec` and `serve-hostname`: HTTP, and `echo …`/`hostname` over UDP. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
import { hostname } from 'node:os'

const [, , mode = 'pause', ...flags] = process.argv

function flag(name: string, fallback: number): number {
  const given = flags.find((each) => each.startsWith(`--${name}=`))?.split('=')[1]
  return given === undefined ? fallback : Number(given)
}

function serveHttp(port: number): void {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://pod')
    const client = `${request.socket.remoteAddress?.replace(/^::ffff:/, '')}:${request.socket.remotePort}`
    switch (url.pathname) {
      case '/clientip':
        return response.end(client)
      case '/echo':
        return response.end(url.searchParams.get('msg') ?? '')
      case '/healthz':
        return response.end('ok')
      default:
        return response.end(
          mode === 'netexec' && url.pathname === '/' ? `NOW: ${new Date().toISOString()}` : hostname(),
        )
    }
  })
  server.listen(port, '::')
}

function serveUdp(port: number): void {
  const socket = createSocket({ type: 'udp6', ipv6Only: false })
  socket.on('message', (message, from) => {
    const text = message.toString('utf8').trim()
    const reply = text.startsWith('echo ')
      ? text.slice('echo '.length)
      : text === 'clientip'
        ? `${from.address}:${from.port}`
        : hostname()
    socket.send(reply, from.port, from.address)
  })
  socket.bind(port)
}

if (mode === 'netexec') {
  serveHttp(flag('http-port', 8080))
  if (flag('udp-port', 8081) > 0) serveUdp(flag('udp-port', 8081))
} else if (mode === 'serve-hostname') {
  serveHttp(flag('port', 9376))
} else {
  setInterval(() => undefined, 1 << 30)
}
process.on('SIGTERM', () => process.exit(0))
