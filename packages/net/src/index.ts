export { Address, addressBits, type Family } from './address.ts'
export { AddressError } from './errors.ts'
export { Prefix } from './prefix.ts'
export { PrefixTrie } from './prefix-trie.ts'
