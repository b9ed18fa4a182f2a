import { readFileSync } from 'node:fs'
import { type Netns, openNetns, withNetns } from '@margay/netlink'
import { IptablesError } from './errors.ts'
import { type Exec, processExec } from './exec.ts'
import { programName, type Variant } from './restore.ts'

export interface VariantReport {
  readonly variant: Variant
  /** Why it was chosen, for the log. */
  readonly reason: string
}

/** Chains that kubelet leaves in the table mangle so that others can tell which variant the node uses. */
const KUBELET_CHAINS = /^:(KUBE-IPTABLES-HINT|KUBE-KUBELET-CANARY) /m

/**
 * Finds the variant that the other programs of this host use: the one with kubelet's chains, else the one with more
 * rules, else nft where it works, else legacy. The legacy tables are not read when the kernel has none, for reading
 * would create them.
 * @throws {IptablesError} IPTABLES_NO_VARIANT when neither works; the message says why for each
 */
export async function detectVariant(options: { netns?: Netns; exec?: Exec } = {}): Promise<VariantReport> {
  const exec = options.exec ?? processExec({ netns: options.netns })
  const nft = await probe(exec, 'nft')
  const legacy = hasLegacyTables(options.netns) ? await probe(exec, 'legacy') : undefined
  for (const [variant, found] of [
    ['nft', nft],
    ['legacy', legacy],
  ] as const) {
    if (found?.works === true && found.kubelet) return { variant, reason: 'kubelet uses it' }
  }
  if (legacy?.works === true && legacy.rules > (nft.works ? nft.rules : 0)) {
    return { variant: 'legacy', reason: `${legacy.rules} rules, ${nft.works ? nft.rules : 0} in nft` }
  }
  if (nft.works) return { variant: 'nft', reason: nft.rules > 0 ? `${nft.rules} rules` : 'it works' }
  const fallback = legacy ?? (await probe(exec, 'legacy'))
  if (fallback.works) return { variant: 'legacy', reason: `nft does not work: ${nft.why}` }
  throw new IptablesError('IPTABLES_NO_VARIANT', `no iptables works here. nft: ${nft.why}. legacy: ${fallback.why}`)
}

type Probe = { works: true; kubelet: boolean; rules: number } | { works: false; why: string }

async function probe(exec: Exec, variant: Variant): Promise<Probe> {
  let kubelet = false
  let rules = 0
  for (const family of [4, 6] as const) {
    try {
      const { exitCode, stdout, stderr } = await exec(programName(family, variant, 'save'), [])
      // Without IPv6 in the kernel ip6tables alone fails.
      if (exitCode !== 0 && family === 4) return { works: false, why: stderr.trim() || `exit code ${exitCode}` }
      kubelet ||= KUBELET_CHAINS.test(stdout)
      rules += stdout.match(/^-A /gm)?.length ?? 0
    } catch (error) {
      if (!(error instanceof IptablesError)) throw error
      return { works: false, why: error.message }
    }
  }
  return { works: true, kubelet, rules }
}

function hasLegacyTables(netns: Netns | undefined): boolean {
  const read = (): boolean => ['ip', 'ip6'].some((family) => tableNames(family) !== '')
  if (netns === undefined) return read()
  if (typeof netns !== 'string') return withNetns(netns, read)
  using handle = openNetns(netns)
  return withNetns(handle, read)
}

function tableNames(family: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${family}_tables_names`, 'utf8').trim()
  } catch (error) {
    // The module is not loaded: there are no tables.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
