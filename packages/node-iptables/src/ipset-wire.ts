import { Attributes, type Message, type MessageWriter, type NetlinkRequest, Nlm, walkAttributes } from '@margay/netlink'
import { IP_SET_TYPES, type IpSetType, readMember, writeMember } from './ipset-member.ts'

export const NETLINK_NETFILTER = 12
const SUBSYSTEM = 6
/** Old enough for every kernel. */
const PROTOCOL_VERSION = 6
/** Revisions of the types that Linux has had since 3.19 and the ipset program since 6.23. */
const REVISIONS: Record<string, number> = { 'hash:ip': 4, 'hash:net': 6, 'hash:ip,port': 5, 'hash:net,port': 7 }
const NET_BYTEORDER = 0x4000
const INLINE_MEMBERS = 50
const FLAG_LIST_SETNAME = 2

const Command = { CREATE: 2, DESTROY: 3, SWAP: 6, LIST: 7, ADD: 9, DELETE: 10 } as const
// IPSET_ATTR_*, linux/netfilter/ipset/ip_set.h
const Attr = {
  PROTOCOL: 1,
  SETNAME: 2,
  TYPENAME: 3,
  SETNAME2: 3,
  REVISION: 4,
  FAMILY: 5,
  FLAGS: 6,
  DATA: 7,
  ADT: 8,
} as const
const Create = { HASHSIZE: 18, MAXELEM: 19 } as const

const ERROR_NAMES: readonly string[] = [
  'IPSET_ERR_PRIVATE',
  'IPSET_ERR_PROTOCOL',
  'IPSET_ERR_FIND_TYPE',
  'IPSET_ERR_MAX_SETS',
  'IPSET_ERR_BUSY',
  'IPSET_ERR_EXIST_SETNAME2',
  'IPSET_ERR_TYPE_MISMATCH',
  'IPSET_ERR_EXIST',
  'IPSET_ERR_INVALID_CIDR',
  'IPSET_ERR_INVALID_NETMASK',
  'IPSET_ERR_INVALID_FAMILY',
  'IPSET_ERR_TIMEOUT',
  'IPSET_ERR_REFERENCED',
  'IPSET_ERR_IPADDR_IPV4',
  'IPSET_ERR_IPADDR_IPV6',
]
const HASH_ERROR_NAMES: readonly string[] = ['IPSET_ERR_HASH_FULL', 'IPSET_ERR_HASH_ELEM', 'IPSET_ERR_INVALID_PROTO']

/** Names of the error numbers that are ipset's own (4096 and up). */
export const ipSetErrorName = (errno: number): string | undefined =>
  errno >= 4352 ? HASH_ERROR_NAMES[errno - 4352] : ERROR_NAMES[errno - 4096]

/** What a set is, apart from its members. */
export interface IpSetShape {
  readonly name: string
  readonly type: string
  readonly family: 4 | 6
  readonly maxElements: number
}

/** A set as the kernel shows it. */
export interface KernelIpSet extends IpSetShape {
  /** Canonical texts; empty for a type that is not ours. */
  readonly members: Set<string>
}

function request(command: number, flags: number, words: string, fill: (writer: MessageWriter) => void): NetlinkRequest {
  return {
    type: (SUBSYSTEM << 8) | command,
    flags,
    fill: (writer) => {
      // struct nfgenmsg: family, version, resource.
      writer.u8(2).u8(0).u16be(0).attributeU8(Attr.PROTOCOL, PROTOCOL_VERSION)
      fill(writer)
    },
    describe: () => words,
  }
}

/** Fails when the name is taken. @param expected number of members to come */
export function createRequest(set: IpSetShape, expected: number): NetlinkRequest {
  return request(Command.CREATE, Nlm.F_CREATE | Nlm.F_EXCL, `create IP set ${set.name} ${set.type}`, (writer) => {
    writer.attributeText(Attr.SETNAME, set.name).attributeText(Attr.TYPENAME, set.type)
    writer.attributeU8(Attr.REVISION, REVISIONS[set.type] ?? 0).attributeU8(Attr.FAMILY, set.family === 4 ? 2 : 10)
    writer.nested(Attr.DATA, (data) => {
      data.attributeU32be(Create.MAXELEM | NET_BYTEORDER, set.maxElements)
      data.attributeU32be(Create.HASHSIZE | NET_BYTEORDER, hashSizeFor(expected))
    })
  })
}

/** A power of two with about four members a bucket; the kernel grows it when need be. */
const hashSizeFor = (members: number): number => Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(members, 1) / 4)))

export const destroyRequest = (name: string): NetlinkRequest =>
  request(Command.DESTROY, 0, `destroy IP set ${name}`, (writer) => writer.attributeText(Attr.SETNAME, name))

/** Exchanges the contents of two sets; rules that use one see the other's from then on. */
export const swapRequest = (a: string, b: string): NetlinkRequest =>
  request(Command.SWAP, 0, `swap IP sets ${a} and ${b}`, (writer) =>
    writer.attributeText(Attr.SETNAME, a).attributeText(Attr.SETNAME2, b),
  )

/** Adds or deletes members; what is there (or gone) already is no error. */
export function membersRequest(
  operation: 'add' | 'delete',
  set: { readonly name: string; readonly type: IpSetType; readonly family: 4 | 6 },
  members: readonly string[],
): NetlinkRequest {
  const command = operation === 'add' ? Command.ADD : Command.DELETE
  const words = `${operation} ${members.length === 1 ? members[0] : `${members.length} members`}: IP set ${set.name}`
  return {
    ...request(command, 0, words, (writer) => {
      writer.attributeText(Attr.SETNAME, set.name)
      // A single member goes without the list around it; the kernel asks for either.
      if (members.length === 1) writeMember(writer, set.type, set.family, members[0] as string)
      else {
        writer.nested(Attr.ADT, (list) => {
          for (const member of members) writeMember(list, set.type, set.family, member)
        })
        // Required with a list: the line of a restore file, for errors.
        writer.attributeU32be(9 | NET_BYTEORDER, 0)
      }
    }),
    // A few go at once; a flood leaves the event loop its turns.
    inline: members.length <= INLINE_MEMBERS,
  }
}

export const listNamesRequest = (): NetlinkRequest =>
  request(Command.LIST, 0, 'list IP sets', (writer) =>
    writer.attributeU32be(Attr.FLAGS | NET_BYTEORDER, FLAG_LIST_SETNAME),
  )

export const listRequest = (name: string): NetlinkRequest =>
  request(Command.LIST, 0, `list IP set ${name}`, (writer) => writer.attributeText(Attr.SETNAME, name))

/** The set's name in a message of a dump. */
export const readName = (message: Message): string | undefined =>
  new Attributes(message.body.subarray(4)).text(Attr.SETNAME)

/** Puts together one set from the messages of its dump, one after the other. */
export class SetReader {
  set: KernelIpSet | undefined

  /** Always undefined: nothing is to be kept of the message. */
  readonly take = (message: Message): undefined => {
    const attributes = new Attributes(message.body.subarray(4))
    const type = attributes.text(Attr.TYPENAME)
    if (type !== undefined) {
      this.set = {
        name: attributes.text(Attr.SETNAME) ?? '',
        type,
        family: attributes.u8(Attr.FAMILY) === 10 ? 6 : 4,
        maxElements: attributes.nested(Attr.DATA)?.u32be(Create.MAXELEM) ?? 0,
        members: new Set(),
      }
    }
    const list = attributes.bytes(Attr.ADT)
    if (this.set === undefined || list === undefined || !IP_SET_TYPES.includes(this.set.type)) return
    for (const { bytes } of walkAttributes(list)) {
      const member = readMember(this.set.type as IpSetType, bytes)
      if (member !== undefined) this.set.members.add(member)
    }
  }
}
