// The BFD thread. It shares nothing with the threads that process routes, so that these can't make it late.
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { BfdEndpoint } from './bfd-endpoint.ts'
import type { BfdCommand, BfdReport } from './bfd-worker-protocol.ts'

const HIGHEST_PRIORITY = -20

if (parentPort === null) throw new Error('bfd-worker.ts runs as a worker thread only')
const port = parentPort
const report = (message: BfdReport): void => port.postMessage(message, [])
const endpoint = new BfdEndpoint((id, change) => report({ kind: 'state', id, change }))

try {
  // On Linux this is about the calling thread alone.
  setPriority(0, HIGHEST_PRIORITY)
} catch {
  // Without CAP_SYS_NICE it runs as everybody does.
}

port.on('message', (command: BfdCommand) => {
  switch (command.do) {
    case 'add':
      endpoint.add(command.order)
      return
    case 'configure':
      endpoint.configure(command.id, command.timers)
      return
    case 'remove':
      endpoint.remove(command.id)
      return
    case 'status':
      report({ kind: 'status', question: command.question, status: endpoint.status() })
      return
    case 'close':
      void endpoint.close().then(() => port.close())
  }
})
