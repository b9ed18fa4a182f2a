/** Typed arrays that tables grow by doubling; pages that nobody touched cost nothing. */
export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array

/** A copy of `column` with room for at least `length` items, or `column` itself where it has that already. */
export function grown<C extends Column>(column: C, length: number): C {
  if (length <= column.length) return column
  const Kind = column.constructor as new (length: number) => C
  const larger = new Kind(Math.max(column.length * 2, length))
  larger.set(column)
  return larger
}
