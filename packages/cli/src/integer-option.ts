import { InvalidArgumentError, Option } from 'commander'

/** An option that takes a whole number from `min` to `max`. */
export function integerOption(
  flags: string,
  description: string,
  range: { min: number; max: number; fallback: number },
): Option {
  const { min, max, fallback } = range
  return new Option(flags, description).default(fallback).argParser((text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`)
    return value
  })
}
