import { isIP } from 'node:net'

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
const DURATION_PARTS = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
const HOST_LABEL = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/

/** Formats of strings that a CRD's schema may name; unknown ones are ignored, as in Kubernetes. */
const stringFormats: Record<string, (text: string) => boolean> = {
  'date-time': (text) => parseTime(text) !== undefined,
  datetime: (text) => parseTime(text) !== undefined,
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && parseTime(`${text}T00:00:00Z`) !== undefined,
  duration: (text) => parseDuration(text) !== undefined,
  byte: isBase64,
  ipv4: (text) => isIP(text) === 4,
  ipv6: (text) => isIP(text) === 6,
  cidr: isCidr,
  mac: (text) => /^(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text),
  uuid: (text) => UUID.test(text),
  uuid3: (text) => UUID.test(text),
  uuid4: (text) => UUID.test(text),
  uuid5: (text) => UUID.test(text),
  uri: isUri,
  email: (text) => /^[^\s@]+@[^\s@]+$/.test(text),
  hostname: (text) => text.length <= 253 && text.split('.').every((label) => HOST_LABEL.test(label)),
  hexcolor: (text) => /^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
}

/** Whether `text` has the form that the OpenAPI `format` names. */
export function hasFormat(format: string, text: string): boolean {
  return stringFormats[format]?.(text) ?? true
}

/** Milliseconds since 1970 of an RFC 3339 time; undefined when `text` is none. */
export function parseTime(text: string): number | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [, year, month, day] = match
  const milliseconds = Date.parse(text.replace(/(\.\d{3})\d+/, '$1').toUpperCase())
  if (Number.isNaN(milliseconds)) return undefined
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  return Number(day) <= daysInMonth ? milliseconds : undefined
}

/** An RFC 3339 time as `metav1.Time` writes it: UTC, whole seconds. */
export function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** An RFC 3339 time as `metav1.MicroTime` writes it; keeps the microseconds that `text` has. */
export function formatMicroTime(text: string): string | undefined {
  const milliseconds = parseTime(text)
  if (milliseconds === undefined) return undefined
  const fraction = (RFC3339.exec(text)?.[7] ?? '').padEnd(6, '0').slice(0, 6)
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.${fraction}Z`
}

/** Milliseconds of a Go duration such as `1h30m`; undefined when `text` is none. */
function parseDuration(text: string): number | undefined {
  if (text.length > 128) return undefined
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text
  if (unsigned === '0') return 0
  const unitMs: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 }
  let total = 0
  let end = 0
  for (DURATION_PARTS.lastIndex = 0; end < unsigned.length; end = DURATION_PARTS.lastIndex) {
    const part = DURATION_PARTS.exec(unsigned)
    if (part === null) return undefined
    total += Number(part[1]) * (unitMs[part[2] ?? ''] ?? Number.NaN)
  }
  if (end === 0) return undefined
  return text.startsWith('-') ? -total : total
}

export function isBase64(text: string): boolean {
  return BASE64.test(text.replace(/[\r\n]/g, ''))
}

/** Whether `text` is a CIDR as Kubernetes accepts one: address, slash, prefix length without leading zeros. */
export function isCidr(text: string): boolean {
  const [address = '', length = '', ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0 || address.includes('%')) return false
  return /^(?:0|[1-9]\d{0,2})$/.test(length) && Number(length) <= (family === 4 ? 32 : 128)
}

function isUri(text: string): boolean {
  return text.startsWith('/') || URL.canParse(text)
}
