// Runs one speaker and does what its parent asks over IPC. The tests kill it the hard way.
import { linuxBfdSockets, linuxNeighborDiscovery, linuxSocketOptions } from '@margay/sockets'
import { type Log, type NeighborDiscoveryPort, type PeerConfig, type RoutesQuery, runSpeaker } from '../../src/index.ts'

/** What the parent may ask. */
export type SpeakerRequest =
  | { readonly id: number; readonly do: 'peers' }
  | { readonly id: number; readonly do: 'routes'; readonly query: RoutesQuery }
  | { readonly id: number; readonly do: 'originate'; readonly prefix: string; readonly attributes?: object }
  | { readonly id: number; readonly do: 'withdraw'; readonly prefix: string }
  | { readonly id: number; readonly do: 'refresh'; readonly peer: string }
  | { readonly id: number; readonly do: 'updatePeer'; readonly config: PeerConfig }
  | { readonly id: number; readonly do: 'stop'; readonly graceful: boolean; readonly text?: string }
  | { readonly id: number; readonly do: 'clear'; readonly peer: string }
  | { readonly id: number; readonly do: 'drain'; readonly on: boolean }
  | { readonly id: number; readonly do: 'deletes' }

const line =
  (level: string) =>
  (fields: object, message: string): void => {
    process.stderr.write(`${new Date().toISOString()} ${level} ${message} ${JSON.stringify(fields)}\n`)
  }
const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }

// By interface, who is at the other end of its link; without it, whoever sends router advertisements.
const neighbors = process.argv[3] === undefined ? undefined : (JSON.parse(process.argv[3]) as Record<string, string>)
const told: NeighborDiscoveryPort = {
  watch: (name, onNeighbor) => {
    setImmediate(() => onNeighbor(neighbors?.[name]))
    return () => undefined
  },
}
const neighborDiscovery = neighbors === undefined ? linuxNeighborDiscovery : told
const ports = { log, socketOptions: linuxSocketOptions, bfdSockets: linuxBfdSockets, neighborDiscovery }
const running = await runSpeaker(JSON.parse(process.argv[2] ?? '{}'), ports)
const { speaker } = running

/** Every prefix that a subscriber was told to forget. */
const deletes: string[] = []
void (async () => {
  for await (const { changes } of speaker.subscribe()) {
    for (const change of changes) if (change.type === 'delete') deletes.push(change.prefix)
  }
})()

async function answer(request: SpeakerRequest): Promise<unknown> {
  switch (request.do) {
    case 'peers':
      return speaker.peers()
    case 'routes':
      return speaker.routes(request.query)
    case 'originate':
      return speaker.originate(request.prefix, request.attributes)
    case 'withdraw':
      return speaker.withdraw(request.prefix)
    case 'refresh':
      return speaker.requestRefresh(request.peer)
    case 'updatePeer':
      return speaker.updatePeer(request.config)
    case 'stop':
      return running.stop({ graceful: request.graceful, ...(request.text === undefined ? {} : { text: request.text }) })
    case 'clear':
      return speaker.clearPeer(request.peer)
    case 'drain':
      return request.on ? speaker.drain() : speaker.undrain()
    case 'deletes':
      return deletes
  }
}

process.on('message', (request: SpeakerRequest) => {
  void answer(request).then((result) => process.send?.({ id: request.id, result }))
})
process.on('disconnect', () => process.exit(0))
process.send?.({ id: 0, result: running.listening })
