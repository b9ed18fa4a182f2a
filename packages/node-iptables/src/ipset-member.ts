import { Address, addressBits, Prefix } from '@margay/net'
import { Attributes, type MessageWriter } from '@margay/netlink'
import { IptablesError } from './errors.ts'

/** The types of set that we make. Members look like `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1,tcp:80`, `10.0.0.0/8,udp:53`. */
export type IpSetType = 'hash:ip' | 'hash:net' | 'hash:ip,port' | 'hash:net,port'

export const IP_SET_TYPES: readonly string[] = ['hash:ip', 'hash:net', 'hash:ip,port', 'hash:net,port']

const IPSET_ATTR_DATA = 7
// IPSET_ATTR_* inside a member, linux/netfilter/ipset/ip_set.h
const Adt = { IP: 1, CIDR: 3, PORT: 4, PROTO: 7 } as const
const IPADDR_IPV4 = 1
const IPADDR_IPV6 = 2
const NET_BYTEORDER = 0x4000

const PROTOCOLS = new Map([
  ['tcp', 6],
  ['udp', 17],
  ['sctp', 132],
  ['udplite', 136],
])
const PROTOCOL_NAMES = new Map([...PROTOCOLS].map(([name, number]) => [number, name]))

/** A member taken apart. */
interface Member {
  readonly prefix: Prefix
  readonly protocol?: number
  readonly port?: number
}

/**
 * The one text of a member: an address without length, a net always with one, lower case.
 * @throws {IptablesError} IPSET_BAD_SET
 */
export function canonicalMember(type: IpSetType, family: 4 | 6, text: string): string {
  return formatMember(type, parseMember(type, family, text))
}

/** A net of length 0 can't be a member: its two halves stand for it. Any other member stands for itself. */
export function kernelMembers(type: IpSetType, family: 4 | 6, member: string): string[] {
  if (!type.startsWith('hash:net') || !/^[^/]*\/0(,|$)/.test(member)) return [member]
  const parsed = parseMember(type, family, member)
  return parsed.prefix.halves().map((prefix) => formatMember(type, { ...parsed, prefix }))
}

function parseMember(type: IpSetType, family: 4 | 6, text: string): Member {
  const [place, service, ...rest] = text.split(',')
  const address = Address.tryParse(place ?? '')
  const prefix = address === undefined ? Prefix.tryParse(place ?? '') : Prefix.host(address)
  const withPort = type.endsWith(',port')
  const legal =
    prefix?.family === family &&
    (prefix.isHost || type.startsWith('hash:net')) &&
    rest.length === 0 &&
    (service !== undefined) === withPort
  if (!legal) throw badMember(type, family, text)
  if (service === undefined) return { prefix }
  const match = /^([a-z]+):(0|[1-9]\d{0,4})$/.exec(service)
  const protocol = PROTOCOLS.get(match?.[1] ?? '')
  const port = Number(match?.[2])
  if (protocol === undefined || port > 65535) throw badMember(type, family, text)
  return { prefix, protocol, port }
}

const badMember = (type: string, family: number, text: string): IptablesError =>
  new IptablesError('IPSET_BAD_SET', `${JSON.stringify(text)} is not a member of an IPv${family} ${type}`, {
    field: 'members',
  })

function formatMember(type: IpSetType, member: Member): string {
  const place = type.startsWith('hash:net') ? member.prefix.toString() : member.prefix.address.toString()
  if (member.protocol === undefined) return place
  return `${place},${PROTOCOL_NAMES.get(member.protocol) ?? member.protocol}:${member.port}`
}

/** One IPSET_ATTR_DATA of an add or delete. `text` is canonical and no net of length 0. */
export function writeMember(writer: MessageWriter, type: IpSetType, family: 4 | 6, text: string): void {
  const { prefix, protocol, port } = parseMember(type, family, text)
  writer.nested(IPSET_ATTR_DATA, (adt) => {
    adt.nested(Adt.IP, (ip) => {
      ip.attribute((family === 4 ? IPADDR_IPV4 : IPADDR_IPV6) | NET_BYTEORDER, prefix.address.toBytes())
    })
    if (type.startsWith('hash:net')) adt.attributeU8(Adt.CIDR, prefix.length)
    if (protocol === undefined || port === undefined) return
    adt.attributeU16be(Adt.PORT | NET_BYTEORDER, port)
    adt.attributeU8(Adt.PROTO, protocol)
  })
}

/** @returns canonical text, or undefined for what our types cannot hold. @throws {NetlinkError} for broken bytes */
export function readMember(type: IpSetType, bytes: Uint8Array): string | undefined {
  const attributes = new Attributes(bytes)
  const ip = attributes.nested(Adt.IP)
  const octets = ip?.bytes(IPADDR_IPV4) ?? ip?.bytes(IPADDR_IPV6)
  if (octets === undefined || (octets.length !== 4 && octets.length !== 16)) return undefined
  const address = Address.fromBytes(octets)
  const length = attributes.u8(Adt.CIDR) ?? addressBits(address.family)
  if (length > addressBits(address.family)) return undefined
  const prefix = new Prefix(address, length)
  if (!type.endsWith(',port')) return formatMember(type, { prefix })
  const protocol = attributes.u8(Adt.PROTO)
  const port = attributes.u16be(Adt.PORT)
  return protocol === undefined || port === undefined ? undefined : formatMember(type, { prefix, protocol, port })
}
