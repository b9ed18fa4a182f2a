/** Canonical form of Kubernetes quantities (`k8s.io/apimachinery/pkg/api/resource`): 1000m → 1, 1024Mi → 1Gi. */

const SYNTAX = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE][+-]?\d{1,3})|([KMGTPE]i)|([numkMGTPE])|)$/
const NANO = 1_000_000_000n
const decimalSuffixes: [suffix: string, nanos: bigint][] = [
  ['E', 10n ** 27n],
  ['P', 10n ** 24n],
  ['T', 10n ** 21n],
  ['G', 10n ** 18n],
  ['M', 10n ** 15n],
  ['k', 10n ** 12n],
  ['', NANO],
  ['m', 1_000_000n],
  ['u', 1_000n],
  ['n', 1n],
]
const binarySuffixes = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki']

/** A quantity in units of 10⁻⁹, and the family of suffixes it was written in. */
interface Quantity {
  nanos: bigint
  format: 'decimal' | 'binary' | 'exponent'
}

/** Parses `text`; undefined when it is no quantity. Finer parts than 10⁻⁹ are rounded up, as Kubernetes does. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = text.length > 64 ? null : SYNTAX.exec(text)
  const [, sign, whole = '', fraction = '', exponent, binary, decimal] = match ?? []
  if (match === null || (whole === '' && fraction === '')) return undefined
  let numerator = BigInt(whole + fraction || '0') * NANO
  let denominator = 10n ** BigInt(fraction.length)
  let format: Quantity['format'] = 'decimal'
  if (binary !== undefined) {
    numerator *= 1024n ** BigInt(binarySuffixes.length - binarySuffixes.indexOf(binary))
    format = 'binary'
  } else if (exponent !== undefined) {
    const power = Number(exponent.slice(1))
    if (power >= 0) numerator *= 10n ** BigInt(power)
    else denominator *= 10n ** BigInt(-power)
    format = 'exponent'
  } else if (decimal !== undefined) {
    const nanos = decimalSuffixes.find(([suffix]) => suffix === decimal)?.[1] ?? NANO
    numerator *= nanos
    denominator *= NANO
  }
  const nanos = (numerator + denominator - 1n) / denominator
  return { nanos: sign === '-' ? -nanos : nanos, format }
}

/** The way Kubernetes writes the quantity `text`; undefined when it is none. */
export function canonicalQuantity(text: string): string | undefined {
  const quantity = parseQuantity(text)
  if (quantity === undefined) return undefined
  const { nanos, format } = quantity
  if (nanos === 0n) return '0'
  const absolute = nanos < 0n ? -nanos : nanos
  const sign = nanos < 0n ? '-' : ''
  if (format === 'binary' && absolute % NANO === 0n && absolute >= 1024n * NANO) {
    return sign + inBinary(absolute / NANO)
  }
  for (const [suffix, unit] of decimalSuffixes) {
    if (absolute % unit !== 0n) continue
    if (format !== 'exponent' || suffix === '') return `${sign}${absolute / unit}${suffix}`
    const power = unit.toString().length - NANO.toString().length
    return `${sign}${absolute / unit}e${power}`
  }
  return undefined
}

function inBinary(value: bigint): string {
  for (const [position, suffix] of binarySuffixes.entries()) {
    const unit = 1024n ** BigInt(binarySuffixes.length - position)
    if (value % unit === 0n) return `${value / unit}${suffix}`
  }
  return value.toString()
}
