/** Codes: `BUS_BAD_FRAME` the other end broke the protocol, `BUS_TIMEOUT` it went silent. */
export class BusError extends Error {
  readonly code: 'BUS_BAD_FRAME' | 'BUS_TIMEOUT'

  constructor(code: BusError['code'], message: string) {
    super(message)
    this.name = 'BusError'
    this.code = code
  }
}
