export { type DatagramSocketOptions, linuxBfdSockets, openDatagramSocket } from './datagram-socket.ts'
export { errnoName, SocketError } from './errors.ts'
export { applyPeerOptions, linuxSocketOptions, openTcpSocket, type PeerSocketOptions } from './linux-socket-options.ts'
export {
  linuxNeighborDiscovery,
  type NeighborListener,
  RouterDiscovery,
  type RouterDiscoveryTimes,
} from './router-discovery.ts'
export { bindToDevice, isListening, setMd5Key, setMinTtl, setTtl, socketFamily } from './socket-options.ts'
export { makeRealtime } from './thread-priority.ts'
