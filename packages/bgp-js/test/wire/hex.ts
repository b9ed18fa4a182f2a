/** Octets of annotated hexadecimal: everything behind `#` on a line is a remark. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/#.*$/gm, '').replaceAll(/\s+/g, '')
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) throw new Error(`bad hexadecimal: ${text}`)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

export const toHex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')

const MARKER = 'ff'.repeat(16)

/** A whole message of `type` around an annotated body. */
export function message(type: number, body: string): Uint8Array {
  const octets = hex(body)
  const length = (19 + octets.length).toString(16).padStart(4, '0')
  return hex(`${MARKER}${length}${type.toString(16).padStart(2, '0')}${toHex(octets)}`)
}

/** An UPDATE out of annotated attributes and NLRI. */
export function update(parts: { withdrawn?: string; attributes?: string; nlri?: string }): Uint8Array {
  const field = (text = ''): string => {
    const octets = hex(text)
    return octets.length.toString(16).padStart(4, '0') + toHex(octets)
  }
  return message(2, `${field(parts.withdrawn)}${field(parts.attributes)}${toHex(hex(parts.nlri ?? ''))}`)
}

export const ORIGIN_IGP = '40 01 01 00'
export const AS_PATH_65001 = '40 02 06 02 01 0000fde9'
export const NEXT_HOP = '40 03 04 0a090101'
/** What every announcement of IPv4 needs. */
export const MANDATORY = `${ORIGIN_IGP} ${AS_PATH_65001} ${NEXT_HOP}`
/** 10.0.0.0/24 */
export const NLRI_10 = '18 0a0000'
