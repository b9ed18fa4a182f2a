/** Typed arrays that tables grow by doubling; pages that nobody touched cost nothing. */
export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array

/**
 * `column` with room for at least `length` items, or `column` itself where it has that already. Its memory is taken over
 * (not left to the garbage collector, which would come late for something of that size): use the answer alone.
 */
export function grown<C extends Column>(column: C, length: number): C {
  if (length <= column.length) return column
  const Kind = column.constructor as new (buffer: ArrayBufferLike) => C
  const items = Math.max(column.length * 2, length)
  return new Kind((column.buffer as ArrayBuffer).transfer(items * column.BYTES_PER_ELEMENT))
}
