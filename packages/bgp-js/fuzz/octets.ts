/** Plain lists of octets: the fuzzer shares no reader or writer with the speaker. */
export const u16 = (value: number): number[] => [(value >>> 8) & 255, value & 255]
export const u32 = (value: number): number[] => [...u16(Math.floor(value / 65_536)), ...u16(value % 65_536)]
export const hexOf = (octets: Iterable<number>): string =>
  [...octets].map((octet) => octet.toString(16).padStart(2, '0')).join('')

export const read16 = (octets: ArrayLike<number>, at: number): number =>
  (octets[at] as number) * 256 + (octets[at + 1] as number)
export const read32 = (octets: ArrayLike<number>, at: number): number =>
  read16(octets, at) * 65_536 + read16(octets, at + 2)

/** A message with its header; `length` lies when it is given. */
export const framed = (type: number, body: readonly number[], length = body.length + 19): Uint8Array =>
  Uint8Array.from([...Array.from({ length: 16 }, () => 255), ...u16(length), type, ...body])

/** An address as text in hexadecimal, whatever way it is abbreviated. */
export function addressHex(text: string): string {
  const dotted = (part: string): string => hexOf(part.split('.').map(Number))
  if (!text.includes(':')) return dotted(text)
  const groups = (half: string): string =>
    half
      .split(':')
      .filter((part) => part !== '')
      .map((part) => (part.includes('.') ? dotted(part) : part.padStart(4, '0')))
      .join('')
  const [head = '', tail] = text.split('::')
  if (tail === undefined) return groups(head)
  return groups(head) + groups(tail).padStart(32 - groups(head).length, '0')
}
