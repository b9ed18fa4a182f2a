import { MrtUpdateLog } from '../mrt/mrt-file.ts'
import { BfdWatch } from './bfd-watch.ts'
import { BmpMonitor, type MonitoredSpeaker } from './bmp-monitor.ts'
import type { ResolvedSpeaker } from './config.ts'
import { MrtRecorder } from './mrt-dump.ts'
import type { PeerObserver } from './peer-observer.ts'
import type { SpeakerPorts } from './ports.ts'

/** Everybody who follows the peers' sessions, as the configuration wants it. */
export function newObservers(config: ResolvedSpeaker, ports: SpeakerPorts, speaker: MonitoredSpeaker): PeerObserver[] {
  const { clock, log } = speaker
  const observers: PeerObserver[] = config.bmp.map((station) => new BmpMonitor(station, speaker))
  if (ports.bfdSockets !== undefined) observers.push(new BfdWatch(ports.bfdSockets, log))
  if (config.mrtUpdates !== undefined) {
    const { directory, rotateSeconds } = config.mrtUpdates
    observers.push(
      new MrtRecorder(new MrtUpdateLog({ directory, rotateMs: rotateSeconds * 1000, clock, log }), speaker),
    )
  }
  return observers
}
