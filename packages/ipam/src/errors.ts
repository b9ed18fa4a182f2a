/**
 * Codes: `IPAM_EXHAUSTED` no address is free where the request may take one, `IPAM_NO_POOL` no pool may serve the
 * request, `IPAM_ADDRESS_IN_USE` a requested address is another's, `IPAM_CONTENTION` so many others changed the same
 * records that the request was given up, `IPAM_BAD_RECORD` a stored record contradicts itself.
 */
export class IpamError extends Error {
  readonly code: 'IPAM_EXHAUSTED' | 'IPAM_NO_POOL' | 'IPAM_ADDRESS_IN_USE' | 'IPAM_CONTENTION' | 'IPAM_BAD_RECORD'

  constructor(code: IpamError['code'], message: string) {
    super(message)
    this.name = 'IpamError'
    this.code = code
  }
}
