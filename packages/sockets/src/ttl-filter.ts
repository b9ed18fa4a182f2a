import type { Family } from '@margay/net'
import { check } from './errors.ts'
import { FILTER_PROGRAM_OCTETS, Sock, type SocketFilter, sys } from './libc.ts'

// Classic BPF; SKF_NET_OFF makes an offset count from the IP header.
const LOAD_OCTET = 0x30
const JUMP_IF_EQUAL = 0x15
const RETURN = 0x06
const SKF_NET_OFF = 0xfff00000
const IPV4_TTL_OFFSET = 8
const IPV6_HOP_LIMIT_OFFSET = 7

/**
 * Has the kernel drop everything that comes to a datagram or raw socket with another TTL or hop limit (GTSM, RFC 5082).
 * @throws {SocketError}
 */
export function requireTtl(fd: number, family: Family, ttl: number): void {
  const offset = SKF_NET_OFF + (family === 4 ? IPV4_TTL_OFFSET : IPV6_HOP_LIMIT_OFFSET)
  const filter: SocketFilter[] = [
    { code: LOAD_OCTET, jt: 0, jf: 0, k: offset },
    { code: JUMP_IF_EQUAL, jt: 0, jf: 1, k: ttl },
    { code: RETURN, jt: 0, jf: 0, k: 0xffffffff },
    { code: RETURN, jt: 0, jf: 0, k: 0 },
  ]
  const program = { len: filter.length, filter }
  const result = sys.attachFilter(fd, Sock.SOL_SOCKET, Sock.SO_ATTACH_FILTER, program, FILTER_PROGRAM_OCTETS)
  check(result, 'SO_ATTACH_FILTER')
}
