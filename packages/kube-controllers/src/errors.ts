/** Codes: `CONTROLLERS_BAD_CONFIG` the environment names a wrong value. */
export class ControllersError extends Error {
  readonly code: 'CONTROLLERS_BAD_CONFIG'

  constructor(code: ControllersError['code'], message: string) {
    super(message)
    this.name = 'ControllersError'
    this.code = code
  }
}
