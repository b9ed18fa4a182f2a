/** An address without the zone of a link-local one: `fe80::1%eth0` is `fe80::1` to everybody but the socket. */
export const withoutZone = (address: string): string => address.replace(/%.*$/, '')
