/**
 * Codes: `LAB_EXISTS` a lab of that name runs, `LAB_NOT_FOUND` none does, `LAB_BAD_OPTION` a wrong option,
 * `LAB_NOT_READY` something did not come up in time, `LAB_UNKNOWN_NODE` the lab has no such node.
 */
export class LabError extends Error {
  readonly code: 'LAB_EXISTS' | 'LAB_NOT_FOUND' | 'LAB_BAD_OPTION' | 'LAB_NOT_READY' | 'LAB_UNKNOWN_NODE'

  constructor(code: LabError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LabError'
    this.code = code
  }
}
