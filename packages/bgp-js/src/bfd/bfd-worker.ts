// The BFD thread. It shares nothing with the threads that process routes, so that these can't make it late.
import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { BfdEndpoint } from './bfd-endpoint.ts'
import type { BfdCommand, BfdReport } from './bfd-worker-protocol.ts'

if (parentPort === null) throw new Error('bfd-worker.ts runs as a worker thread only')
const port = parentPort
const report = (message: BfdReport): void => port.postMessage(message, [])
const endpoint = new BfdEndpoint((id, change) => report({ kind: 'state', id, change }))

/** `/proc/thread-self` leads to `PID/task/THREAD`. */
function kernelThreadId(): number | undefined {
  try {
    return Number(basename(readlinkSync('/proc/thread-self')))
  } catch {
    return undefined
  }
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

report({ kind: 'started', threadId: kernelThreadId() })
