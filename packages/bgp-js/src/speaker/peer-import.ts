import type { Family } from '@margay/net'
import type { CompiledPolicy } from '../policy/compile-policy.ts'
import type { PolicyPeer } from '../policy/policy-route.ts'
import type { ImportJudge, ImportVerdict } from '../rib/adj-rib-in.ts'
import type { AttributeSet } from '../rib/attribute-store.ts'
import { type ImportContext, type ImportRefusal, normalizeImport, refuseImport } from '../rib/import-rules.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import type { PathSource } from '../rib/path.ts'
import { type RouteFacts, RouteView } from '../rib/route-view.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'

/** What import of one session depends on. */
export interface ImportSettings {
  readonly context: ImportContext
  readonly policy: CompiledPolicy | undefined
  readonly policyPeer: PolicyPeer
  readonly facts: RouteFacts
  /** RFC 8212: without a policy nothing is taken. */
  readonly refuseAll: boolean
}

/** What was worked out for one attribute set. */
interface Memo {
  readonly received: AttributeSet
  readonly refused: ImportRefusal | undefined
  /** As policy sees it. */
  readonly normalized: PathAttributes
  verdict: ImportVerdict | undefined
}

/**
 * Makes the judge of the routes of one UPDATE, or of one slice of a new import. It remembers the last attribute set, so
 * that the prefixes which share it are judged once; keep it no longer than the tables stay as they are.
 */
export function importJudge(settings: ImportSettings, locRib: LocRib, family: Family, source: PathSource): ImportJudge {
  const { policy } = settings
  const { prefixes } = locRib.family(family)
  let memo: Memo | undefined
  const settle = (current: Memo, attributes: PathAttributes | undefined): ImportVerdict => {
    if (attributes === undefined) return 'policy'
    return attributes === current.received.attributes ? current.received : locRib.attributes.intern(attributes)
  }
  return (prefix, received) => {
    if (memo?.received !== received) memo = newMemo(settings, received)
    if (memo.verdict !== undefined) return memo.verdict
    if (memo.refused !== undefined) return memo.refused
    if (policy === undefined) {
      memo.verdict = settle(memo, memo.normalized)
      return memo.verdict
    }
    const view = new RouteView({ prefixes, prefix, source }, memo.normalized, settings.facts)
    const verdict = settle(memo, policy.evaluate(view, settings.policyPeer))
    if (!policy.dependsOnPrefix) memo.verdict = verdict
    return verdict
  }
}

function newMemo(settings: ImportSettings, received: AttributeSet): Memo {
  const { context } = settings
  const refused = refuseImport(received.attributes, context) ?? (settings.refuseAll ? 'noPolicy' : undefined)
  const normalized = refused === undefined ? normalizeImport(received.attributes, context) : received.attributes
  return { received, refused, normalized, verdict: undefined }
}
