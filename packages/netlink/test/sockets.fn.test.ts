import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { expect, test } from 'vitest'
import { connectIn, listenIn, openNetns, openRoute, udpSocketIn } from '../src/index.ts'
import { scratchNetns } from './scratch-netns.ts'

const echoServer = (): Server => createServer((socket) => socket.pipe(socket))

test.for(['127.0.0.1', '::1'])('TCP and UDP on %s inside a namespace, invisible outside', async (host) => {
  using scratch = scratchNetns()
  using handle = openNetns(scratch.name)
  await using route = openRoute({ netns: handle })
  await route.setLink('lo', { up: true })
  const server = echoServer()
  const { port } = await listenIn(handle, server, { host, port: 0 })
  expect(scratch.run('ss', '-Hltn')).toContain(`:${port}`)

  const client = connectIn(handle, { host, port, localAddress: host })
  client.write('ping')
  const [answer] = (await once(client, 'data')) as [Buffer]
  expect(answer.toString()).toBe('ping')
  expect(client.remotePort).toBe(port)
  client.end()
  await once(client, 'close')

  const outside = connectIn(undefined, { host, port })
  const [error] = (await once(outside, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')

  const receiver = udpSocketIn(handle, { host, port: 0 })
  const sender = udpSocketIn(handle, { host, port: 0 })
  sender.send('datagram', receiver.address().port, host)
  const [datagram] = (await once(receiver, 'message')) as [Buffer]
  expect(datagram.toString()).toBe('datagram')
  receiver.close()
  sender.close()
  await using closing = server
  expect(closing.listening).toBe(true)
})

test('an HTTP server in a namespace; a port taken and an address that is not there are named', async () => {
  using scratch = scratchNetns()
  await using route = openRoute({ netns: scratch.name })
  await route.setLink('lo', { up: true })
  await using server = createHttpServer((_request, response) => response.end('hello'))
  const { port } = await listenIn(scratch.name, server, { host: '127.0.0.1', port: 0 })
  const client = connectIn(scratch.name, { host: '127.0.0.1', port })
  client.write('GET / HTTP/1.0\r\n\r\n')
  let text = ''
  client.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(client, 'close')
  expect(text).toContain('hello')
  const second = echoServer()
  await expect(listenIn(scratch.name, second, { host: '127.0.0.1', port: 1 << 16 })).rejects.toMatchObject({
    field: 'port',
  })
  await expect(listenIn(scratch.name, second, { host: 'localhost', port: 1 })).rejects.toMatchObject({ field: 'host' })
  await expect(listenIn(scratch.name, second, { host: '192.0.2.1', port: 1 })).rejects.toMatchObject({
    code: 'NETLINK_EADDRNOTAVAIL',
    request: 'bind 192.0.2.1:1',
  })
  await listenIn(scratch.name, second, { host: '192.0.2.1', port: 1, freeBind: true })
  await using sixth = echoServer()
  const bound = await listenIn(scratch.name, sixth, { host: '2001:db8::1', port: 1, freeBind: true })
  expect(bound).toMatchObject({ address: '2001:db8::1', port: 1 })
  await expect(listenIn(scratch.name, echoServer(), { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: expect.stringMatching(/EADDRINUSE/),
  })
  second.close()
})
