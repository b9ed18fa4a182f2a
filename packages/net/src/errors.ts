/** A text that is no address or prefix. `code` is stable; `text` is the input, clipped to 64 characters. */
export class AddressError extends Error {
  readonly code: 'NET_BAD_ADDRESS' | 'NET_BAD_PREFIX'
  readonly text: string

  constructor(code: AddressError['code'], text: string, why: string) {
    const clipped = text.slice(0, 64)
    super(`${JSON.stringify(clipped)} ${why}`)
    this.name = 'AddressError'
    this.code = code
    this.text = clipped
  }
}
