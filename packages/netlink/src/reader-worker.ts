// The reader thread: waits for all event sockets of the process in one poll(). Node cannot wait for a netlink socket
// itself, and a thread of its pool that is stuck in read() would keep the process from ever exiting.
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { LITTLE_ENDIAN, viewOf } from './attributes.ts'
import { lastErrno, Sock, sys } from './libc.ts'
import { OUTSTANDING_LIMIT, type ReaderCommand, type ReaderReport } from './reader-protocol.ts'

const POLLIN = 1
const EAGAIN = 11
const EINTR = 4
const ENOBUFS = 105
const POLLFD_OCTETS = 8
/** At most this long can the end of the process wait for us, should nobody ring the bell. */
const POLL_MS = 200
const BATCH_OCTETS = 256 * 1024
const DATAGRAM_OCTETS = 128 * 1024

interface Source {
  readonly id: number
  readonly fd: number
  readonly outstanding: Int32Array
}

const { port, bell } = workerData as { port: MessagePort; bell: number }
const sources = new Map<number, Source>()
const buffer = new Uint8Array(BATCH_OCTETS + DATAGRAM_OCTETS)
const bellBuffer = new Uint8Array(8)

const report = (message: ReaderReport, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)

/** @returns false when the thread is to end. */
function obey(): boolean {
  for (;;) {
    const received = receiveMessageOnPort(port)
    if (received === undefined) return true
    const command = received.message as ReaderCommand
    if (command.do === 'stop') return false
    if (command.do === 'add') sources.set(command.id, command)
    else {
      sources.delete(command.id)
      report({ kind: 'removed', id: command.id })
    }
  }
}

/** Waits until something can be read. @returns the sources that can be */
function wait(): Source[] {
  const open = [...sources.values()].filter((source) => Atomics.load(source.outstanding, 0) < OUTSTANDING_LIMIT)
  const fds = new Uint8Array((open.length + 1) * POLLFD_OCTETS)
  const view = viewOf(fds)
  for (const [index, fd] of [bell, ...open.map((source) => source.fd)].entries()) {
    view.setInt32(index * POLLFD_OCTETS, fd, LITTLE_ENDIAN)
    view.setInt16(index * POLLFD_OCTETS + 4, POLLIN, LITTLE_ENDIAN)
  }
  if (sys.poll(fds, open.length + 1, POLL_MS) <= 0) return []
  // An eventfd is not a socket: reading it is what empties it.
  if (view.getInt16(6, LITTLE_ENDIAN) !== 0) sys.read(bell, bellBuffer, 8)
  return open.filter((_, index) => view.getInt16((index + 1) * POLLFD_OCTETS + 6, LITTLE_ENDIAN) !== 0)
}

/** Reads what is there, up to one batch, and hands it over. */
function drain(source: Source): void {
  const lengths: number[] = []
  let used = 0
  let failure = 0
  while (used < BATCH_OCTETS) {
    const length = sys.recv(source.fd, buffer.subarray(used), DATAGRAM_OCTETS, Sock.MSG_DONTWAIT)
    if (length > 0) {
      lengths.push(length)
      used += length
      continue
    }
    failure = length === 0 ? EAGAIN : lastErrno()
    if (failure !== EINTR) break
  }
  if (used > 0) {
    const bytes = buffer.slice(0, used)
    Atomics.add(source.outstanding, 0, used)
    report({ kind: 'datagrams', id: source.id, bytes, lengths }, [bytes.buffer])
  }
  if (failure === ENOBUFS) report({ kind: 'overrun', id: source.id })
  else if (failure !== 0 && failure !== EAGAIN && failure !== EINTR) {
    sources.delete(source.id)
    report({ kind: 'failed', id: source.id, errno: failure })
  }
}

while (obey()) for (const source of wait()) drain(source)
port.close()
