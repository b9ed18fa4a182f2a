/** Error codes of the CNI spec 1.1, "Error", and our own from 100. */
export const CniErrorCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  containerUnknown: 3,
  badEnvironment: 4,
  ioFailure: 5,
  decodeFailure: 6,
  invalidConfig: 7,
  tryAgain: 11,
  notAvailable: 50,
  noAddresses: 100,
  network: 101,
  checkFailed: 102,
  podUnknown: 103,
  internal: 999,
} as const

/** An answer of the CNI server that is no success; becomes the error JSON of the spec. */
export class CniError extends Error {
  readonly code: number
  readonly details: string

  constructor(code: number, message: string, details = '', options?: ErrorOptions) {
    super(message, options)
    this.name = 'CniError'
    this.code = code
    this.details = details
  }
}
