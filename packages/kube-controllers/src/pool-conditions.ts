import { type CalicoObject, type Condition, parseIPPool } from '@margay/model'
import type { Prefix } from '@margay/net'

/** What the condition `Allocatable` of a pool should say. */
export type PoolVerdict = Pick<Condition, 'status' | 'reason' | 'message'>

/** Judges all pools together: of two that overlap the older one serves. Pure. */
export function judgePools(pools: readonly CalicoObject[]): Map<string, PoolVerdict> {
  const verdicts = new Map<string, PoolVerdict>()
  const accepted: { name: string; cidr: Prefix }[] = []
  for (const object of pools.toSorted(byAge)) {
    const { name, deletionTimestamp } = object.metadata
    const parsed = parseIPPool(object)
    if ('errors' in parsed) {
      const message = parsed.errors.map((error) => `${error.field}: ${error.message}`).join('; ')
      verdicts.set(name, { status: 'False', reason: 'InvalidSpec', message })
      continue
    }
    const { cidr, disabled } = parsed.value
    const other = accepted.find((each) => each.cidr.overlaps(cidr))
    if (other !== undefined) {
      verdicts.set(name, {
        status: 'False',
        reason: 'CIDROverlap',
        message: `${cidr} overlaps ${other.cidr} of the older pool ${other.name}`,
      })
      continue
    }
    accepted.push({ name, cidr })
    if (deletionTimestamp !== undefined)
      verdicts.set(name, {
        status: 'False',
        reason: 'Terminating',
        message: 'the pool is being deleted: its addresses drain',
      })
    else if (disabled) verdicts.set(name, { status: 'False', reason: 'PoolDisabled', message: 'spec.disabled is true' })
    else verdicts.set(name, { status: 'True', reason: 'OK', message: '' })
  }
  return verdicts
}

function byAge(a: CalicoObject, b: CalicoObject): number {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '']
  if (x !== y) return x < y ? -1 : 1
  return a.metadata.name < b.metadata.name ? -1 : 1
}

/** The conditions with `Allocatable` as judged, or undefined when that is what they say. */
export function withVerdict(object: CalicoObject, verdict: PoolVerdict, now: string): Condition[] | undefined {
  const conditions = object.status?.conditions ?? []
  const old = conditions.find(({ type }) => type === 'Allocatable')
  if (old?.status === verdict.status && old.reason === verdict.reason && old.message === verdict.message)
    return undefined
  const lastTransitionTime = old?.status === verdict.status ? old.lastTransitionTime : now
  const { generation } = object.metadata
  const next: Condition = {
    type: 'Allocatable',
    ...verdict,
    lastTransitionTime,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  }
  return [...conditions.filter(({ type }) => type !== 'Allocatable'), next]
}
