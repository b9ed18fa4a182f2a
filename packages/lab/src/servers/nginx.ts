/** Stands in for nginx: answers every GET on its port with its welcome page and the host's name. */
import { createServer } from 'node:http'
import { hostname } from 'node:os'

const port = Number(process.argv[2] ?? 80)
const server = createServer((request, response) => {
  process.stdout.write(
    `${request.socket.remoteAddress} - - [${new Date().toISOString()}] "${request.method} ${request.url}" 200\n`,
  )
  response.setHeader('server', 'nginx')
  response.setHeader('content-type', 'text/html')
  response.end(`<title>Welcome to nginx!</title>\n<h1>Welcome to nginx!</h1>\n<p>${hostname()}</p>\n`)
})
server.listen(port, '::')
process.on('SIGTERM', () => process.exit(0))
