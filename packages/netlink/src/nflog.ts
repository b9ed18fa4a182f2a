import { Attributes, badMessage, viewOf } from './attributes.ts'
import { EventQueue } from './event-queue.ts'
import { type Message, splitMessages } from './message.ts'
import { checkInteger } from './names.ts'
import { type NetlinkRequest, NetlinkSocket } from './netlink-socket.ts'
import type { Netns } from './netns.ts'
import { readDatagrams } from './reader.ts'
import { familyOf } from './scopes.ts'

const NETLINK_NETFILTER = 12
const SUBSYSTEM = 4
const PACKET = 0
const CONFIG = 1
// NFULA_CFG_* and NFULA_*, linux/netfilter/nfnetlink_log.h
const Config = { COMMAND: 1, MODE: 2, BUFFER: 3, TIMEOUT: 4, THRESHOLD: 5 } as const
const COMMAND_BIND = 1
const COPY_PACKET = 2
const Nfula = { PACKET_HEADER: 1, MARK: 2, IN_DEVICE: 4, OUT_DEVICE: 5, PAYLOAD: 9, PREFIX: 10 } as const
const BUFFER_OCTETS = 64 * 1024
/** Packets that the kernel gathers before it wakes us. */
const THRESHOLD = 64
/** In 1/100 s: how long it may gather. */
const FLUSH_CENTISECONDS = 1
const QUEUE_LIMIT = 100_000

/** A packet that a rule logged. */
export interface LoggedPacket {
  readonly type: 'packet'
  readonly family: 4 | 6 | undefined
  readonly prefix: string
  readonly mark: number
  /** Index of the device it came in by. */
  readonly inDevice: number | undefined
  readonly outDevice: number | undefined
  /** 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting. */
  readonly hook: number | undefined
  /** Begins with the IP header, cut at the copy range. */
  readonly payload: Uint8Array
}

export type NflogEvent = LoggedPacket | { readonly type: 'overrun' }

/** Logged packets for one reader. Ends when it is closed, or when the reading loop is left. */
export interface NflogWatch extends AsyncIterable<NflogEvent>, AsyncDisposable {
  close(): Promise<void>
}

export interface NflogOptions {
  /** The group that the rules log to, 0 to 65535. One reader per group and namespace. */
  readonly group: number
  readonly netns?: Netns
  /** How much of each packet is copied, in octets (default 128). */
  readonly copyOctets?: number
}

/** Reads what NFLOG rules log. @throws {NetlinkError} NETLINK_EPERM when another program reads the group */
export async function watchNflog(options: NflogOptions): Promise<NflogWatch> {
  const group = checkInteger('group', options.group, 0, 65535)
  const copyOctets = checkInteger('copyOctets', options.copyOctets ?? 128, 0, 65535)
  const socket = NetlinkSocket.open({ protocol: NETLINK_NETFILTER, netns: options.netns })
  try {
    for (const request of configRequests(group, copyOctets)) await socket.request(request)
  } catch (error) {
    await socket.close()
    throw error
  }
  const fd = await socket.release()
  const queue = new EventQueue<NflogEvent>({
    limit: QUEUE_LIMIT,
    overrun: () => ({ type: 'overrun' }),
    release: async () => await stop(),
  })
  const stop = readDatagrams(fd, {
    datagram: (datagram) => {
      try {
        for (const message of splitMessages(datagram)) {
          if (message.type === ((SUBSYSTEM << 8) | PACKET)) queue.push(decodeLoggedPacket(message))
        }
      } catch (error) {
        queue.fail(error)
      }
    },
    overrun: () => queue.clear(),
    failed: (error) => queue.fail(error),
  })
  const close = async (): Promise<void> => void (await queue.return())
  return { [Symbol.asyncIterator]: () => queue, close, [Symbol.asyncDispose]: close }
}

function configRequests(group: number, copyOctets: number): NetlinkRequest[] {
  const request = (fill: NetlinkRequest['fill']): NetlinkRequest => ({
    type: (SUBSYSTEM << 8) | CONFIG,
    fill: (writer) => {
      // struct nfgenmsg: the group is its resource.
      writer.u8(0).u8(0).u16be(group)
      fill(writer)
    },
    describe: () => `read NFLOG group ${group}`,
  })
  return [
    request((writer) => writer.attributeU8(Config.COMMAND, COMMAND_BIND)),
    request((writer) => {
      // struct nfulnl_msg_config_mode: range, mode, padding.
      const mode = new Uint8Array(6)
      viewOf(mode).setUint32(0, copyOctets)
      mode[4] = COPY_PACKET
      writer.attribute(Config.MODE, mode)
      writer.attributeU32be(Config.BUFFER, BUFFER_OCTETS)
      writer.attributeU32be(Config.THRESHOLD, THRESHOLD)
      writer.attributeU32be(Config.TIMEOUT, FLUSH_CENTISECONDS)
    }),
  ]
}

/** @throws {NetlinkError} NETLINK_BAD_MESSAGE */
function decodeLoggedPacket(message: Message): LoggedPacket {
  if (message.body.length < 4) throw badMessage('a log message shorter than struct nfgenmsg')
  const attributes = new Attributes(message.body.subarray(4))
  return {
    type: 'packet',
    family: familyOf(message.body[0] as number),
    prefix: attributes.text(Nfula.PREFIX) ?? '',
    mark: attributes.u32be(Nfula.MARK) ?? 0,
    inDevice: attributes.u32be(Nfula.IN_DEVICE),
    outDevice: attributes.u32be(Nfula.OUT_DEVICE),
    // struct nfulnl_msg_packet_hdr: protocol, hook, padding.
    hook: attributes.bytes(Nfula.PACKET_HEADER)?.[2],
    payload: attributes.bytes(Nfula.PAYLOAD) ?? new Uint8Array(),
  }
}
