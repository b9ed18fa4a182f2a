import { Environment } from '@marcbachmann/cel-js'
import { Address, Prefix } from '@margay/net'
import { deepEqual } from '../object.ts'
import { isCidr } from './formats.ts'
import { compilePattern } from './pattern.ts'
import { parseQuantity } from './quantity.ts'

/** Value of the CEL type `net.IP`. */
class CelIp {
  readonly address: Address

  constructor(text: string) {
    this.address = Address.parse(text)
  }
}

/** Value of the CEL type `net.CIDR`. */
class CelCidr {
  readonly prefix: Prefix
  readonly address: Address

  constructor(text: string) {
    if (!isCidr(text)) throw new Error(`network address parse error during conversion from string: ${text}`)
    this.prefix = Prefix.parse(text)
    this.address = Address.parse(text.slice(0, text.indexOf('/')))
  }
}

/** Value of the CEL type `kubernetes.Quantity`. */
class CelQuantity {
  readonly nanos: bigint

  constructor(text: string) {
    const quantity = parseQuantity(text)
    if (quantity === undefined) throw new Error(`quantity parse error: ${text}`)
    this.nanos = quantity.nanos
  }
}

/** A CEL environment with the functions that Kubernetes adds to the language; clone it to declare variables. */
export function kubernetesEnvironment(): Environment {
  const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
  addAddresses(environment)
  addQuantities(environment)
  addStrings(environment)
  addLists(environment)
  return environment
}

function addAddresses(environment: Environment): void {
  environment
    .registerType('net.IP', { ctor: CelIp, fields: {} })
    .registerType('net.CIDR', { ctor: CelCidr, fields: {} })
    .registerFunction('isIP(string): bool', (text: string) => isAddress(text))
    .registerFunction('ip(string): net.IP', (text: string) => new CelIp(text))
    .registerFunction('string(net.IP): string', (ip: CelIp) => ip.address.toString())
    .registerFunction('net.IP.family(): int', (ip: CelIp) => BigInt(ip.address.family))
    .registerFunction('net.IP.isLoopback(): bool', (ip: CelIp) => ip.address.isLoopback)
    .registerFunction('net.IP.isLinkLocalUnicast(): bool', (ip: CelIp) => ip.address.isLinkLocal)
    .registerFunction('net.IP.isUnspecified(): bool', (ip: CelIp) => ip.address.value === 0n)
    .registerFunction('isCIDR(string): bool', (text: string) => isCidr(text))
    .registerFunction('cidr(string): net.CIDR', (text: string) => new CelCidr(text))
    .registerFunction('string(net.CIDR): string', (cidr: CelCidr) => `${cidr.address.toString()}/${cidr.prefix.length}`)
    .registerFunction('net.CIDR.ip(): net.IP', (cidr: CelCidr) => new CelIp(cidr.address.toString()))
    .registerFunction('net.CIDR.prefixLength(): int', (cidr: CelCidr) => BigInt(cidr.prefix.length))
    .registerFunction('net.CIDR.masked(): net.CIDR', (cidr: CelCidr) => new CelCidr(cidr.prefix.toString()))
    .registerFunction('net.CIDR.containsIP(string): bool', (cidr: CelCidr, ip: string) =>
      cidr.prefix.contains(Address.parse(ip)),
    )
    .registerFunction('net.CIDR.containsIP(net.IP): bool', (cidr: CelCidr, ip: CelIp) =>
      cidr.prefix.contains(ip.address),
    )
    .registerFunction('net.CIDR.containsCIDR(string): bool', (cidr: CelCidr, other: string) =>
      cidr.prefix.contains(new CelCidr(other).prefix),
    )
    .registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', (cidr: CelCidr, other: CelCidr) =>
      cidr.prefix.contains(other.prefix),
    )
    .registerOperator('net.IP == net.IP', (a: CelIp, b: CelIp) => a.address.toString() === b.address.toString())
    .registerOperator('net.CIDR == net.CIDR', (a: CelCidr, b: CelCidr) => a.prefix.equals(b.prefix))
}

function isAddress(text: string): boolean {
  return !text.includes('%') && Address.tryParse(text) !== undefined
}

function addQuantities(environment: Environment): void {
  environment
    .registerType('kubernetes.Quantity', { ctor: CelQuantity, fields: {} })
    .registerFunction('isQuantity(string): bool', (text: string) => parseQuantity(text) !== undefined)
    .registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new CelQuantity(text))
    .registerFunction(
      'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool',
      (a: CelQuantity, b: CelQuantity) => a.nanos > b.nanos,
    )
    .registerFunction(
      'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool',
      (a: CelQuantity, b: CelQuantity) => a.nanos < b.nanos,
    )
    .registerFunction('kubernetes.Quantity.compareTo(kubernetes.Quantity): int', (a: CelQuantity, b: CelQuantity) =>
      a.nanos < b.nanos ? -1n : a.nanos > b.nanos ? 1n : 0n,
    )
    .registerFunction('kubernetes.Quantity.asInteger(): int', (a: CelQuantity) => a.nanos / 1_000_000_000n)
    .registerOperator(
      'kubernetes.Quantity == kubernetes.Quantity',
      (a: CelQuantity, b: CelQuantity) => a.nanos === b.nanos,
    )
}

function addStrings(environment: Environment): void {
  const pattern = (text: string): RegExp => {
    const compiled = compilePattern(text)
    if (compiled === undefined) throw new Error(`invalid regular expression: ${text}`)
    return compiled
  }
  environment
    .registerFunction('string.charAt(int): string', (text: string, at: bigint) => text.charAt(Number(at)))
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.split(from).join(to),
    )
    .registerFunction(
      'string.replace(string, string, int): string',
      (text: string, from: string, to: string, n: bigint) => {
        const parts = text.split(from)
        const replaced = n < 0n ? parts.length - 1 : Math.min(Number(n), parts.length - 1)
        return (
          parts.slice(0, replaced + 1).join(to) +
          parts
            .slice(replaced + 1)
            .map((part) => from + part)
            .join('')
        )
      },
    )
    .registerFunction(
      'string.find(string): string',
      (text: string, regex: string) => pattern(regex).exec(text)?.[0] ?? '',
    )
    .registerFunction('string.findAll(string): list<string>', (text: string, regex: string) => {
      const source = pattern(regex)
      return [...text.matchAll(new RegExp(source.source, `${source.flags.replace('g', '')}g`))].map((match) => match[0])
    })
    .registerFunction('isURL(string): bool', (text: string) => text.startsWith('/') || URL.canParse(text))
}

type Ordered = bigint | number | string | Date

function addLists(environment: Environment): void {
  environment
    .registerFunction('list<dyn>.isSorted(): bool', (list: Ordered[]) =>
      list.every((item, position) => position === 0 || (list[position - 1] ?? item) <= item),
    )
    .registerFunction('list<dyn>.sum(): dyn', (list: (bigint | number)[]) =>
      list.reduce(
        (total, item) => (typeof item === 'bigint' ? BigInt(total) + item : Number(total) + item),
        typeof list[0] === 'number' ? 0 : 0n,
      ),
    )
    .registerFunction('list<dyn>.min(): dyn', (list: Ordered[]) => extreme(list, (a, b) => a < b))
    .registerFunction('list<dyn>.max(): dyn', (list: Ordered[]) => extreme(list, (a, b) => a > b))
    .registerFunction('list<dyn>.indexOf(dyn): int', (list: unknown[], item: unknown) =>
      BigInt(list.findIndex((other) => deepEqual(other, item))),
    )
    .registerFunction('list<dyn>.lastIndexOf(dyn): int', (list: unknown[], item: unknown) =>
      BigInt(list.findLastIndex((other) => deepEqual(other, item))),
    )
}

function extreme(list: Ordered[], isBetter: (a: Ordered, b: Ordered) => boolean): Ordered {
  const [first, ...rest] = list
  if (first === undefined) throw new Error('min/max called on empty list')
  return rest.reduce((best, item) => (isBetter(item, best) ? item : best), first)
}
