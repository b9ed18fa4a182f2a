import { MessageType, withHeader } from '../header.ts'

/** KEEPALIVE (RFC 4271 §4.4): a header alone. */
export const encodeKeepalive = (): Uint8Array => withHeader(MessageType.Keepalive, new Uint8Array(0))
