/** A column: its head, and where its text stands. */
export interface Column {
  readonly head: string
  readonly align?: 'left' | 'right'
}

/** Lines of a table whose columns are as wide as what is in them; they may grow from one call to the next. */
export class TextTable {
  readonly #columns: readonly Column[]
  readonly #widths: number[]
  #hasHead = false

  constructor(columns: readonly Column[]) {
    this.#columns = columns
    this.#widths = columns.map(({ head }) => head.length)
  }

  /** The lines of more rows, the first time with the head. */
  render(rows: readonly (readonly string[])[]): string {
    for (const row of rows) {
      for (const [index, cell] of row.entries()) {
        this.#widths[index] = Math.max(this.#widths[index] ?? 0, cell.length)
      }
    }
    const lines = rows.map((row) => this.#line(row))
    if (!this.#hasHead) lines.unshift(this.#line(this.#columns.map(({ head }) => head)))
    this.#hasHead = true
    return lines.map((line) => `${line}\n`).join('')
  }

  #line(cells: readonly string[]): string {
    return cells
      .map((cell, index) => {
        const width = this.#widths[index] ?? 0
        return this.#columns[index]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  }
}
