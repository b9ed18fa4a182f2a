import { BgpError } from '../errors.ts'

/** Error codes of RFC 8210 §12. */
export const RtrErrorCode = {
  CorruptData: 0,
  InternalError: 1,
  NoDataAvailable: 2,
  InvalidRequest: 3,
  UnsupportedVersion: 4,
  UnsupportedPduType: 5,
  WithdrawalOfUnknown: 6,
  DuplicateAnnouncement: 7,
  UnexpectedVersion: 8,
} as const

/** What a cache sent breaks the RPKI-to-router protocol. */
export class RtrError extends BgpError {
  readonly errorCode: number
  /** The PDU that is wrong, for the Error Report. */
  readonly pdu: Uint8Array

  constructor(errorCode: number, message: string, pdu: Uint8Array = new Uint8Array(0)) {
    super('BGP_BAD_RTR_PDU', message)
    this.errorCode = errorCode
    this.pdu = pdu
  }
}
