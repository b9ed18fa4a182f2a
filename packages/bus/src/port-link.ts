import type { MessagePort, Worker } from 'node:worker_threads'
import { BusError } from './errors.ts'
import { asFrame, type Link } from './link.ts'

/** A link over a worker thread's port. Values are structured-cloned. Closing it ends the thread at the other end. */
export function portLink(port: MessagePort | Worker, peer: string): Link {
  let failure: Error | undefined
  const close = (error?: Error): void => {
    failure ??= error
    if ('close' in port) port.close()
    else void port.terminate()
  }
  return {
    peer,
    close,
    send: (frame) => port.postMessage(frame),
    receive: ({ frame, closed }) => {
      port.on('message', (message: unknown) => {
        const received = asFrame(message)
        if (received !== undefined) frame(received)
        else close(new BusError('BUS_BAD_FRAME', `${peer} sent something that is no frame`))
      })
      port.on('error', (error: Error) => {
        failure ??= error
      })
      // A MessagePort says 'close' when its other end goes, a Worker says 'exit'.
      port.on('close', () => closed(failure))
      port.on('exit', () => closed(failure))
    },
  }
}
