/** The speaker's thread: follows `speakerDesired`, publishes `speakerRoutes` and `speakerPeers`. */
import { parentPort, workerData } from 'node:worker_threads'
import { Bus, Connection, portLink } from '@margay/bus'
import { linuxSocketOptions } from '@margay/sockets'
import { pino } from 'pino'
import type { SpeakerTopics } from '../topics.ts'
import { SpeakerRunner } from './speaker-runner.ts'
import type { SpeakerThreadData } from './speaker-thread.ts'

const { restarting, logLevel } = workerData as SpeakerThreadData
const log = pino({ level: logLevel, base: { component: 'bgp' } }, pino.destination({ fd: 2, sync: true }))
if (parentPort === null) throw new Error('speaker-worker.ts runs as a worker thread only')

const bus = new Bus<SpeakerTopics>()
const connection = new Connection(bus, portLink(parentPort, 'agent'), {
  serveTables: ['speakerRoutes', 'speakerPeers'],
  mirrorTables: ['speakerDesired'],
})
const runner = new SpeakerRunner({ bus, log, restarting, socketOptions: linuxSocketOptions })
void runner.run()
await connection.closed
