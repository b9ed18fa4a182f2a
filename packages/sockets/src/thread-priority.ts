import { check } from './errors.ts'
import { sys } from './libc.ts'

const SCHED_RR = 2
const LOWEST_REALTIME = 1

/**
 * Lets a thread of this process run before every ordinary one (SCHED_RR), for work that is small and must not be late.
 * A nice value would count within the session's group of processes alone. Needs CAP_SYS_NICE.
 * @param threadId as the kernel counts them @throws {SocketError} SOCKET_EPERM
 */
export function makeRealtime(threadId: number): void {
  const parameters = new Uint8Array(Int32Array.of(LOWEST_REALTIME).buffer)
  check(sys.schedSetscheduler(threadId, SCHED_RR, parameters), 'sched_setscheduler', `thread ${threadId}`)
}
