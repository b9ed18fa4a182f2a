export type { AddressFilter, InterfaceAddress, LinkAddress } from './addresses.ts'
export { Attributes, MessageWriter, type RawAttribute, walkAttributes } from './attributes.ts'
export {
  type Connection,
  type ConnectionTuple,
  Conntrack,
  openConntrack,
} from './conntrack.ts'
export { errnoName, isErrno, NetlinkError } from './errors.ts'
export type { BridgeOptions, LinkDetails, LinkOptions, MacvlanMode, VxlanOptions } from './link-kinds.ts'
export type { Link, LinkSettings, LinkStatistics, NewLink, OperState } from './links.ts'
export { type Message, Nlm } from './message.ts'
export type { ForwardingEntry, Neighbour, NeighbourFilter, NeighbourState } from './neighbours.ts'
export { type NetlinkRequest, NetlinkSocket, type NetlinkSocketOptions } from './netlink-socket.ts'
export {
  createNetns,
  currentNetns,
  deleteNetns,
  listNetns,
  type Netns,
  type NetnsHandle,
  openNetns,
  sameNetns,
  withNetns,
} from './netns.ts'
export { type LoggedPacket, type NflogEvent, type NflogOptions, type NflogWatch, watchNflog } from './nflog.ts'
export { openRoute, type RouteChange, RouteSocket } from './route-socket.ts'
export {
  formatRoute,
  type KernelRoute,
  type NextHop,
  type Route,
  type RouteFilter,
  RouteProtocol,
  RouteTable,
  type RouteType,
} from './routes.ts'
export type { Scope } from './scopes.ts'
export { type ConnectOptions, connectIn, type ListenOptions, listenIn, udpSocketIn } from './sockets.ts'
export { readSysctl, writeSysctl } from './sysctl.ts'
export { type RouteEvent, type RouteEventGroup, type RouteWatch, watchRoute } from './watch.ts'
