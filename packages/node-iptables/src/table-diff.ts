import type { RenderedRule } from './render-rule.ts'

/** Our rules in a chain that is not ours: the first ones, and the last ones. */
export interface Hooks {
  readonly insert: readonly RenderedRule[]
  readonly append: readonly RenderedRule[]
}

export interface DesiredTable {
  readonly chains: ReadonlyMap<string, readonly RenderedRule[]>
  /** By base chain. */
  readonly hooks: ReadonlyMap<string, Hooks>
}

/** A rule in the kernel; `hash` undefined = not ours. */
interface ActualRule {
  readonly text: string
  readonly hash: string | undefined
  readonly target: string | undefined
}

/** What we believe the kernel holds, by chain. */
export type ActualTable = Map<string, readonly ActualRule[]>

export type Change =
  | { readonly kind: 'write'; readonly chain: string; readonly rules: readonly RenderedRule[] }
  | { readonly kind: 'hooks'; readonly chain: string; readonly remove: readonly string[]; readonly hooks: Hooks }
  | { readonly kind: 'delete'; readonly chain: string }

export interface ChangePlan {
  /** In an order in which any prefix can be applied: referenced chains first, then hooks, then deletions. */
  readonly changes: readonly Change[]
  /** Chains of ours that nobody wants but rules of others still use. */
  readonly stillReferenced: readonly string[]
}

const NO_HOOKS: Hooks = { insert: [], append: [] }

/**
 * What must change so that the kernel is as desired. Pure.
 * @param names chains to look at; undefined = all
 */
export function planChanges(
  desired: DesiredTable,
  actual: ActualTable,
  isOwn: (chain: string) => boolean,
  names: ReadonlySet<string> | undefined,
): ChangePlan {
  const all = names ?? new Set([...desired.chains.keys(), ...desired.hooks.keys(), ...actual.keys()])
  const writes: (Change & { kind: 'write' })[] = []
  const hooks: Change[] = []
  const unwanted = new Set<string>()
  for (const chain of all) {
    const rules = desired.chains.get(chain)
    if (rules !== undefined) {
      if (!sameHashes(rules, actual.get(chain))) writes.push({ kind: 'write', chain, rules })
    } else if (!isOwn(chain)) {
      const change = planHooks(chain, desired.hooks.get(chain) ?? NO_HOOKS, actual.get(chain) ?? [])
      if (change !== undefined) hooks.push(change)
    } else if (actual.has(chain)) unwanted.add(chain)
  }
  const stillReferenced = keepReferenced(unwanted, [...writes, ...hooks], actual)
  const deletions = [...unwanted].map((chain) => ({ kind: 'delete', chain }) as const)
  return { changes: [...sortByReference(writes), ...hooks, ...deletions], stillReferenced }
}

function sameHashes(rules: readonly RenderedRule[], actual: readonly ActualRule[] | undefined): boolean {
  if (actual === undefined || actual.length !== rules.length) return false
  return rules.every((rule, index) => rule.hash === actual[index]?.hash)
}

/** Our rules must be the first and the last ones of the chain, and nowhere else. */
function planHooks(chain: string, hooks: Hooks, actual: readonly ActualRule[]): Change | undefined {
  const { insert, append } = hooks
  const ours = actual.filter((rule) => rule.hash !== undefined)
  const right =
    ours.length === insert.length + append.length &&
    insert.every((rule, index) => actual[index]?.hash === rule.hash) &&
    append.every((rule, index) => actual[actual.length - append.length + index]?.hash === rule.hash)
  return right ? undefined : { kind: 'hooks', chain, remove: ours.map((rule) => rule.text), hooks }
}

/** Moves chains that something still refers to out of `unwanted`. @returns them */
function keepReferenced(unwanted: Set<string>, changes: readonly Change[], actual: ActualTable): string[] {
  if (unwanted.size === 0) return []
  const changed = new Map(changes.map((change) => [change.chain, change]))
  const kept: string[] = []
  for (let again = true; again; ) {
    again = false
    for (const [chain, rules] of actual) {
      if (unwanted.has(chain)) continue
      for (const target of targetsAfter(changed.get(chain), rules)) {
        if (!unwanted.delete(target)) continue
        kept.push(target)
        again = true
      }
    }
    for (const change of changes) {
      if (change.kind === 'delete' || actual.has(change.chain)) continue
      for (const target of targetsAfter(change, [])) if (unwanted.delete(target)) kept.push(target)
    }
  }
  return kept
}

/** What the chain will refer to once `change` is made. */
function targetsAfter(change: Change | undefined, actual: readonly ActualRule[]): string[] {
  const rules: { target: string | undefined }[] = []
  if (change?.kind === 'write') rules.push(...change.rules)
  else if (change?.kind === 'hooks') {
    rules.push(...change.hooks.insert, ...change.hooks.append, ...actual.filter((rule) => rule.hash === undefined))
  } else rules.push(...actual)
  return rules.flatMap((rule) => rule.target ?? [])
}

/** Chains that others jump to come before those others. */
function sortByReference(writes: readonly (Change & { kind: 'write' })[]): Change[] {
  const byChain = new Map(writes.map((write) => [write.chain, write]))
  const sorted: Change[] = []
  const visit = (chain: string): void => {
    const write = byChain.get(chain)
    if (write === undefined) return
    byChain.delete(chain)
    for (const rule of write.rules) if (rule.target !== undefined) visit(rule.target)
    sorted.push(write)
  }
  for (const write of writes) visit(write.chain)
  return sorted
}

/** Text for iptables-restore --noflush, and which change each of its lines belongs to. */
export interface RestoreText {
  readonly text: string
  /** By line, from 0; undefined for lines of no change in particular. */
  readonly owners: readonly (Change | undefined)[]
  readonly lines: readonly string[]
}

/** One transaction that makes all `changes`. */
export function renderRestore(table: string, changes: readonly Change[]): RestoreText {
  const lines: string[] = [`*${table}`]
  const owners: (Change | undefined)[] = [undefined]
  const emit = (line: string, owner: Change): void => {
    lines.push(line)
    owners.push(owner)
  }
  // Declaring a user chain makes it or empties it.
  for (const change of changes) if (change.kind !== 'hooks') emit(`:${change.chain} - [0:0]`, change)
  for (const change of changes) {
    if (change.kind !== 'hooks') continue
    for (const text of change.remove) emit(`-D ${change.chain} ${text}`, change)
  }
  for (const change of changes) {
    if (change.kind !== 'write') continue
    for (const rule of change.rules) emit(`-A ${change.chain} ${rule.text}`, change)
  }
  for (const change of changes) {
    if (change.kind !== 'hooks') continue
    // The last goes in first, for each is put at the top.
    for (const rule of change.hooks.insert.toReversed()) emit(`-I ${change.chain} ${rule.text}`, change)
    for (const rule of change.hooks.append) emit(`-A ${change.chain} ${rule.text}`, change)
  }
  for (const change of changes) if (change.kind === 'delete') emit(`-X ${change.chain}`, change)
  lines.push('COMMIT')
  owners.push(undefined)
  return { text: `${lines.join('\n')}\n`, owners, lines }
}

/** Brings the belief about the kernel up to date after `changes` were made. */
export function recordChanges(actual: ActualTable, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.kind === 'delete') actual.delete(change.chain)
    else if (change.kind === 'write') actual.set(change.chain, change.rules)
    else {
      const foreign = (actual.get(change.chain) ?? []).filter((rule) => rule.hash === undefined)
      actual.set(change.chain, [...change.hooks.insert, ...foreign, ...change.hooks.append])
    }
  }
}

/** Changes that cannot be made when `failed` is not: they refer to a chain that then does not exist. */
export function dependentsOf(failed: Change, changes: readonly Change[], actual: ActualTable): Change[] {
  if (failed.kind !== 'write' || actual.has(failed.chain)) return []
  const missing = new Set([failed.chain])
  const dependents = new Set<Change>()
  for (let before = -1; before < dependents.size; ) {
    before = dependents.size
    for (const change of changes) {
      if (change === failed || dependents.has(change)) continue
      if (!targetsAfter(change, []).some((target) => missing.has(target))) continue
      dependents.add(change)
      if (change.kind === 'write' && !actual.has(change.chain)) missing.add(change.chain)
    }
  }
  return [...dependents]
}
