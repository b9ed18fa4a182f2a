/** States in the order of their codes (RFC 5880 §4.1). */
const BFD_STATES = ['AdminDown', 'Down', 'Init', 'Up'] as const
export type BfdState = (typeof BFD_STATES)[number]

/** Diagnostics in the order of their codes (RFC 5880 §4.1). */
export const BFD_DIAGNOSTICS = [
  'noDiagnostic',
  'controlDetectionTimeExpired',
  'echoFunctionFailed',
  'neighborSignaledSessionDown',
  'forwardingPlaneReset',
  'pathDown',
  'concatenatedPathDown',
  'administrativelyDown',
  'reverseConcatenatedPathDown',
] as const
export type BfdDiagnostic = (typeof BFD_DIAGNOSTICS)[number]

/** A BFD control packet without authentication (RFC 5880 §4.1). Intervals are microseconds. */
export interface BfdPacket {
  /** Code; may be one that {@link BFD_DIAGNOSTICS} does not have. */
  readonly diagnostic: number
  readonly state: BfdState
  readonly poll: boolean
  readonly final: boolean
  readonly controlPlaneIndependent: boolean
  readonly demand: boolean
  readonly detectMultiplier: number
  readonly myDiscriminator: number
  readonly yourDiscriminator: number
  readonly desiredMinTxUs: number
  readonly requiredMinRxUs: number
  readonly requiredMinEchoRxUs: number
}

/** Why a packet is thrown away (RFC 5880 §6.8.6), as far as the packet alone tells. */
export type BfdDiscardReason =
  | 'badVersion'
  | 'badLength'
  | 'zeroDetectMultiplier'
  | 'multipoint'
  | 'zeroMyDiscriminator'
  | 'zeroYourDiscriminator'
  | 'authenticated'

const VERSION = 1
const PACKET_OCTETS = 24
/** With the shortest authentication section. */
const AUTHENTICATED_OCTETS = 26

const Flag = {
  Poll: 0x20,
  Final: 0x10,
  ControlPlaneIndependent: 0x08,
  Authentication: 0x04,
  Demand: 0x02,
  Multipoint: 1,
}

/** @returns the packet, or why it must be discarded; whether there is a session for it is the caller's to find out */
export function decodeBfdPacket(bytes: Uint8Array): BfdPacket | BfdDiscardReason {
  if (bytes.length < PACKET_OCTETS) return 'badLength'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const first = view.getUint8(0)
  const flags = view.getUint8(1)
  const length = view.getUint8(3)
  const isAuthenticated = (flags & Flag.Authentication) !== 0
  if (first >> 5 !== VERSION) return 'badVersion'
  if (length < (isAuthenticated ? AUTHENTICATED_OCTETS : PACKET_OCTETS) || length > bytes.length) return 'badLength'
  const packet: BfdPacket = {
    diagnostic: first & 0x1f,
    state: BFD_STATES[flags >> 6] as BfdState,
    poll: (flags & Flag.Poll) !== 0,
    final: (flags & Flag.Final) !== 0,
    controlPlaneIndependent: (flags & Flag.ControlPlaneIndependent) !== 0,
    demand: (flags & Flag.Demand) !== 0,
    detectMultiplier: view.getUint8(2),
    myDiscriminator: view.getUint32(4),
    yourDiscriminator: view.getUint32(8),
    desiredMinTxUs: view.getUint32(12),
    requiredMinRxUs: view.getUint32(16),
    requiredMinEchoRxUs: view.getUint32(20),
  }
  if (packet.detectMultiplier === 0) return 'zeroDetectMultiplier'
  if ((flags & Flag.Multipoint) !== 0) return 'multipoint'
  if (packet.myDiscriminator === 0) return 'zeroMyDiscriminator'
  const isDown = packet.state === 'Down' || packet.state === 'AdminDown'
  if (packet.yourDiscriminator === 0 && !isDown) return 'zeroYourDiscriminator'
  // No session of ours uses authentication.
  return isAuthenticated ? 'authenticated' : packet
}

export function encodeBfdPacket(packet: BfdPacket): Uint8Array {
  const bytes = new Uint8Array(PACKET_OCTETS)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, (VERSION << 5) | packet.diagnostic)
  view.setUint8(
    1,
    (BFD_STATES.indexOf(packet.state) << 6) |
      (packet.poll ? Flag.Poll : 0) |
      (packet.final ? Flag.Final : 0) |
      (packet.controlPlaneIndependent ? Flag.ControlPlaneIndependent : 0) |
      (packet.demand ? Flag.Demand : 0),
  )
  view.setUint8(2, packet.detectMultiplier)
  view.setUint8(3, PACKET_OCTETS)
  view.setUint32(4, packet.myDiscriminator)
  view.setUint32(8, packet.yourDiscriminator)
  view.setUint32(12, packet.desiredMinTxUs)
  view.setUint32(16, packet.requiredMinRxUs)
  view.setUint32(20, packet.requiredMinEchoRxUs)
  return bytes
}
