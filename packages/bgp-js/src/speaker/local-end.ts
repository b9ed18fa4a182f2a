import { Address, type Family } from '@margay/net'
import type { LocalEnd } from '../fsm/negotiation.ts'
import { parseZoned } from '../peer-address.ts'
import type { Capability } from '../wire/capabilities/capability.ts'
import { valueOfRole } from '../wire/capabilities/role.ts'
import type { ResolvedPeer, ResolvedSpeaker } from './config.ts'
import { localAsnFor } from './peer-kind.ts'

/** What we bring to a session with `peer`. @param restarting sets the R bit (RFC 4724 §3) */
export function localEndFor(speaker: ResolvedSpeaker, peer: ResolvedPeer, restarting: boolean): LocalEnd {
  return {
    asn: localAsnFor(speaker, peer),
    ownAsn: speaker.asn,
    memberAsns: speaker.confederation?.members ?? [],
    routerId: speaker.routerId,
    peerAsn: peer.asnRule,
    role: peer.role === undefined ? undefined : { role: peer.role, strict: peer.roleStrict },
    holdTimeSeconds: peer.holdTime,
    keepaliveSeconds: peer.keepalive,
    capabilities: localCapabilities(speaker, peer, restarting),
  }
}

/** The capabilities of our OPEN. */
export function localCapabilities(speaker: ResolvedSpeaker, peer: ResolvedPeer, restarting: boolean): Capability[] {
  const families = peer.families.map((name): Family => (name === 'ipv4' ? 4 : 6))
  const capabilities: Capability[] = [
    ...families.map((family): Capability => ({ name: 'multiprotocol', family })),
    { name: 'routeRefresh' },
    { name: 'enhancedRefresh' },
    { name: 'extendedMessages' },
  ]
  const { addPath, role } = peer
  if (peer.extendedNextHop && families.includes(4)) capabilities.push({ name: 'extendedNextHop', ipv4OverIpv6: true })
  if (role !== undefined) capabilities.push({ name: 'role', value: valueOfRole(role) })
  if (peer.gracefulRestart) capabilities.push(...restartCapabilities(speaker, peer, families, restarting))
  if (addPath.send > 0 || addPath.receive) {
    const { receive } = addPath
    const send = addPath.send > 0
    capabilities.push({ name: 'addPath', families: families.map((family) => ({ family, send, receive })) })
  }
  capabilities.push({ name: 'fourOctetAs', asn: localAsnFor(speaker, peer) })
  return capabilities
}

function restartCapabilities(
  speaker: ResolvedSpeaker,
  peer: ResolvedPeer,
  families: readonly Family[],
  restarting: boolean,
): Capability[] {
  const { restartTimeSeconds, forwardingPreserved } = speaker.gracefulRestart
  const restart: Capability = {
    name: 'gracefulRestart',
    restarting,
    notification: true,
    restartTimeSeconds,
    families: families.map((family) => ({ family, forwardingPreserved })),
  }
  if (peer.longLivedGracefulRestart === undefined) return [restart]
  const { staleTimeSeconds } = peer.longLivedGracefulRestart
  const kept = families.map((family) => ({ family, forwardingPreserved, staleTimeSeconds }))
  return [restart, { name: 'longLivedGracefulRestart', families: kept }]
}

/** The listening address where it is one address of the peer's family: peers know us by it. */
export function listeningAddress(speaker: ResolvedSpeaker, peerAddress: string): string | undefined {
  const peer = parseZoned(peerAddress)
  if (peer === undefined || peer.zone !== undefined) return undefined
  return speaker.listen
    .map((listen) => Address.parse(listen.address))
    .find((address) => address.family === peer.address.family && address.value !== 0n)
    ?.toString()
}
