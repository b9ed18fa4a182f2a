/** Of a list of measurements; all in the unit of the list. */
export interface Summary {
  readonly runs: number
  readonly min: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (quantile: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? Number.NaN)
  return { runs: sorted.length, min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) }
}

export function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
