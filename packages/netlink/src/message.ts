import { Attributes, badMessage, LITTLE_ENDIAN, viewOf } from './attributes.ts'

/** Message types and header flags of linux/netlink.h. */
export const Nlm = {
  NOOP: 1,
  ERROR: 2,
  DONE: 3,
  OVERRUN: 4,
  F_REQUEST: 0x1,
  F_MULTI: 0x2,
  F_ACK: 0x4,
  F_ECHO: 0x8,
  F_DUMP_INTR: 0x10,
  F_DUMP: 0x300,
  F_REPLACE: 0x100,
  F_EXCL: 0x200,
  F_CREATE: 0x400,
  F_APPEND: 0x800,
  F_CAPPED: 0x100,
  F_ACK_TLVS: 0x200,
} as const

/** One message; `body` is a view into the datagram it came in. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly port: number
  readonly body: Uint8Array
}

/** Splits one datagram. @throws {NetlinkError} NETLINK_BAD_MESSAGE when a length reaches past the end. */
export function splitMessages(datagram: Uint8Array): Message[] {
  const view = viewOf(datagram)
  const messages: Message[] = []
  let position = 0
  while (datagram.length - position >= 16) {
    const length = view.getUint32(position, LITTLE_ENDIAN)
    if (length < 16 || length > datagram.length - position) {
      throw badMessage(`a message at ${position} says ${length} of ${datagram.length} octets`)
    }
    messages.push({
      type: view.getUint16(position + 4, LITTLE_ENDIAN),
      flags: view.getUint16(position + 6, LITTLE_ENDIAN),
      sequence: view.getUint32(position + 8, LITTLE_ENDIAN),
      port: view.getUint32(position + 12, LITTLE_ENDIAN),
      body: datagram.subarray(position + 16, position + length),
    })
    position += (length + 3) & ~3
  }
  return messages
}

/** The verdict that an NLMSG_ERROR or NLMSG_DONE message carries. */
export interface Verdict {
  /** 0 = done as asked. */
  readonly errno: number
  readonly extack: string | undefined
}

const NLMSGERR_ATTR_MSG = 1

/** Reads struct nlmsgerr and the extended ack behind it. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function readVerdict(message: Message): Verdict {
  const { body, flags } = message
  if (body.length < 4) {
    if (message.type === Nlm.DONE) return { errno: 0, extack: undefined }
    throw badMessage('an error message without an error number')
  }
  const view = viewOf(body)
  const errno = -view.getInt32(0, LITTLE_ENDIAN)
  let tail = 4
  if (message.type === Nlm.ERROR) {
    // The request that failed is quoted: its header alone when NLM_F_CAPPED, whole otherwise.
    const quoted = body.length < 8 || (flags & Nlm.F_CAPPED) !== 0 ? 16 : view.getUint32(4, LITTLE_ENDIAN)
    tail = 4 + ((quoted + 3) & ~3)
  }
  if ((flags & Nlm.F_ACK_TLVS) === 0 || tail > body.length) return { errno, extack: undefined }
  return { errno, extack: new Attributes(body.subarray(tail)).text(NLMSGERR_ATTR_MSG) }
}
