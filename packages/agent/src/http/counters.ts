import type { IptablesTable } from 'node-iptables'

export interface CountedRule {
  /** The rule as iptables-save prints it. */
  readonly rule: string
  readonly packets: number
  readonly bytes: number
}

/** The chains of a table as the kernel has them now, with their counters. */
export async function readChains(table: IptablesTable): Promise<Map<string, CountedRule[]>> {
  const saved = await table.read()
  return new Map(
    [...saved.values()].map(({ name, rules }) => [
      name,
      rules.map(({ text, packets, octets }) => ({ rule: text, packets: packets ?? 0, bytes: octets ?? 0 })),
    ]),
  )
}
