import { type Address, addressBits } from '@margay/net'
import { Attributes, badMessage, LITTLE_ENDIAN, viewOf } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import { addressOf } from './link-kinds.ts'
import { type Message, Nlm } from './message.ts'
import { checkIndex, checkInteger } from './names.ts'
import type { NetlinkRequest } from './netlink-socket.ts'
import { familyCode, familyOf, type Scope, scopeCode, scopeName } from './scopes.ts'

const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
// IFA_*, linux/if_addr.h
const Ifa = { ADDRESS: 1, LOCAL: 2, LABEL: 3, BROADCAST: 4, FLAGS: 8 } as const
const Flag = { NODAD: 0x2, DADFAILED: 0x8, TENTATIVE: 0x40, PERMANENT: 0x80, NOPREFIXROUTE: 0x200 } as const

/** An address on a device. */
export interface LinkAddress {
  readonly address: Address
  /** Length of the on-link prefix. */
  readonly length: number
  /** The far end of a point-to-point link. */
  readonly peer?: Address
  readonly broadcast?: Address
  /** Default global (host for loopback addresses). */
  readonly scope?: Scope
  /** IPv6: usable at once, without duplicate address detection. */
  readonly noDad?: boolean
  /** No route to the prefix is made for it. */
  readonly noPrefixRoute?: boolean
  readonly label?: string
}

/** An address as the kernel shows it. */
export interface InterfaceAddress extends LinkAddress {
  readonly index: number
  readonly scope: Scope
  readonly permanent: boolean
  /** IPv6: duplicate address detection is under way. */
  readonly tentative: boolean
  readonly dadFailed: boolean
}

/** @returns undefined for an address of another family. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function decodeAddress(message: Message): InterfaceAddress | undefined {
  const { body } = message
  if (body.length < 8) throw badMessage('an address message shorter than struct ifaddrmsg')
  if (familyOf(body[0] as number) === undefined) return undefined
  const attributes = new Attributes(body.subarray(8))
  const remote = addressOf(attributes.bytes(Ifa.ADDRESS))
  const address = addressOf(attributes.bytes(Ifa.LOCAL)) ?? remote
  if (address === undefined) throw badMessage('an address message without an address')
  const broadcast = addressOf(attributes.bytes(Ifa.BROADCAST))
  const label = attributes.text(Ifa.LABEL)
  const flags = attributes.u32(Ifa.FLAGS) ?? body[2] ?? 0
  return {
    index: viewOf(body).getUint32(4, LITTLE_ENDIAN),
    address,
    length: body[1] as number,
    ...(remote === undefined || remote.equals(address) ? {} : { peer: remote }),
    ...(broadcast === undefined ? {} : { broadcast }),
    ...(label === undefined ? {} : { label }),
    scope: scopeName(body[3] as number),
    permanent: (flags & Flag.PERMANENT) !== 0,
    tentative: (flags & Flag.TENTATIVE) !== 0,
    dadFailed: (flags & Flag.DADFAILED) !== 0,
    noDad: (flags & Flag.NODAD) !== 0,
    noPrefixRoute: (flags & Flag.NOPREFIXROUTE) !== 0,
  }
}

export interface AddressFilter {
  readonly index?: number
  readonly family?: 4 | 6
}

export function listAddressesRequest(filter: AddressFilter): NetlinkRequest {
  const index = filter.index === undefined ? 0 : checkIndex(filter.index)
  return {
    type: RTM_GETADDR,
    fill: (writer) => writer.u8(familyCode(filter.family)).u8(0).u8(0).u8(0).u32(index),
    describe: () => 'list addresses',
  }
}

/**
 * @param mode `add` fails if it is there, `replace` changes it then
 * @throws {NetlinkError} NETLINK_BAD_INPUT
 */
export function addressRequest(mode: 'add' | 'replace' | 'delete', index: number, entry: LinkAddress): NetlinkRequest {
  checkIndex(index)
  const { address, length, peer, broadcast, label } = entry
  checkInteger('length', length, 0, addressBits(address.family))
  for (const [field, other] of [
    ['peer', peer],
    ['broadcast', broadcast],
  ] as const) {
    if (other !== undefined && other.family !== address.family) {
      throw NetlinkError.badInput(field, other, `is not of the family of ${address}`)
    }
  }
  if (label !== undefined && (label.length > 15 || label.includes('\0'))) {
    throw NetlinkError.badInput('label', label, 'must have at most 15 characters')
  }
  const flags = (entry.noDad === true ? Flag.NODAD : 0) | (entry.noPrefixRoute === true ? Flag.NOPREFIXROUTE : 0)
  const scope = scopeCode(entry.scope ?? (address.isLoopback ? 'host' : address.isLinkLocal ? 'link' : 'global'))
  return {
    type: mode === 'delete' ? RTM_DELADDR : RTM_NEWADDR,
    flags: mode === 'delete' ? 0 : mode === 'add' ? Nlm.F_CREATE | Nlm.F_EXCL : Nlm.F_CREATE | Nlm.F_REPLACE,
    fill: (writer) => {
      writer.u8(familyCode(address.family)).u8(length).u8(0).u8(scope).u32(index)
      writer.attribute(Ifa.LOCAL, address.toBytes()).attribute(Ifa.ADDRESS, (peer ?? address).toBytes())
      if (broadcast !== undefined) writer.attribute(Ifa.BROADCAST, broadcast.toBytes())
      if (label !== undefined) writer.attributeText(Ifa.LABEL, label)
      if (flags !== 0) writer.attributeU32(Ifa.FLAGS, flags)
    },
    describe: () => `${mode} address ${address}/${length} on link ${index}`,
  }
}
