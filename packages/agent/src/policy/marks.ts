/** Bits of the packet mark that are Margay's, lowest of Calico's default mask 0xffff0000 first. */
export const ACCEPT_MARK = 0x10000
