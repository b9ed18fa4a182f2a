import { detectVariant, IpSets, IptablesTable } from 'node-iptables'
import type { Logger } from 'pino'
import { CHAIN_PREFIX } from '../policy/chain-names.ts'
import type { FamilyDataplane, Tables } from '../policy/policy-manager.ts'
import { IpSetCreateDriver, IpSetDeleteDriver, IptablesDriver } from './iptables-driver.ts'

/** Begins the comment that marks a rule as Margay's. */
const HASH_PREFIX = 'mgy:'
const SET_PREFIX = 'mgy'
const TABLE_NAMES = ['raw', 'nat', 'filter'] as const

export interface KernelDataplane {
  readonly families: readonly FamilyDataplane[]
  readonly createSets: IpSetCreateDriver
  readonly tables: readonly IptablesDriver[]
  readonly deleteSets: IpSetDeleteDriver
  close(): Promise<void>
}

/** Opens the tables and sets of both IP versions in the variant that this host uses. */
export async function openKernelDataplane(options: {
  log: Logger
  iptablesRefreshIntervalMs: number
  ipsetsRefreshIntervalMs: number
}): Promise<KernelDataplane> {
  const { log, iptablesRefreshIntervalMs, ipsetsRefreshIntervalMs } = options
  const { variant, reason } = await detectVariant()
  log.info({ variant, reason }, 'chose the variant of iptables')
  const ipSets = new IpSets({ setPrefix: SET_PREFIX })
  const drivers: IptablesDriver[] = []
  const families = ([4, 6] as const).map((family): FamilyDataplane => {
    const open = (table: (typeof TABLE_NAMES)[number]): IptablesTable => {
      const opened = new IptablesTable({ table, family, variant, chainPrefix: CHAIN_PREFIX, hashPrefix: HASH_PREFIX })
      drivers.push(
        new IptablesDriver({
          name: `IPv${family} ${table}`,
          table: opened,
          log,
          refreshIntervalMs: iptablesRefreshIntervalMs,
        }),
      )
      return opened
    }
    const tables: Tables = { raw: open('raw'), nat: open('nat'), filter: open('filter') }
    return { family, tables, ipSets }
  })
  return {
    families,
    createSets: new IpSetCreateDriver(ipSets, ipsetsRefreshIntervalMs),
    tables: drivers,
    deleteSets: new IpSetDeleteDriver(ipSets),
    close: async () => ipSets.close(),
  }
}
