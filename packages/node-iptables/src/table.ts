import type { Netns } from '@margay/netlink'
import { IptablesError } from './errors.ts'
import { type Exec, processExec } from './exec.ts'
import type { RenderedRule } from './render-rule.ts'
import { renderRules } from './render-rule.ts'
import { ownerOf, programName, runRestore, type Variant } from './restore.ts'
import type { Rule } from './rule.ts'
import { parseSave, type SavedTable } from './save-text.ts'
import {
  type ActualTable,
  type Change,
  dependentsOf,
  type Hooks,
  planChanges,
  recordChanges,
  renderRestore,
} from './table-diff.ts'
import { checkChainName } from './validate.ts'

export type TableName = 'filter' | 'nat' | 'mangle' | 'raw' | 'security'

export interface IptablesTableOptions {
  readonly table: TableName
  readonly family: 4 | 6
  readonly variant: Variant
  /** Every chain whose name begins so is ours: others are never written, ours that nobody wants are deleted. */
  readonly chainPrefix: string
  /** Begins the comment that marks a rule as ours: `abc:`. */
  readonly hashPrefix: string
  /** How long to wait for the xtables lock (default 10). */
  readonly lockTimeoutSeconds?: number
  /** The network namespace to work in; default: the process's own. */
  readonly netns?: Netns
  /** Runs programs; default: child processes in `netns`. */
  readonly exec?: Exec
}

export interface ApplyOptions {
  /** Throw when anything fails, having changed nothing, instead of leaving out what fails. */
  readonly atomic?: boolean
}

export interface ApplyResult {
  /** How many times iptables-restore ran; 0 = all was right. */
  readonly restores: number
  readonly writtenChains: readonly string[]
  readonly deletedChains: readonly string[]
  /** Kernel chains in which our hooks were put (back) in place. */
  readonly repairedHooks: readonly string[]
  /** What was left out and will be tried again by the next apply. The kernel still has the former version of it. */
  readonly failures: readonly { readonly chain: string; readonly error: IptablesError }[]
  /** Unwanted chains of ours that rules of others still use, and that therefore cannot go. */
  readonly stillReferenced: readonly string[]
}

interface Progress {
  restores: number
  readonly done: Change[]
  readonly failures: { chain: string; error: IptablesError }[]
}

/**
 * One table of one IP version: takes desired chains and hooks, and makes the kernel match in one transaction,
 * touching only what differs. What the kernel holds is read at the first apply and after {@link markStale}.
 */
export class IptablesTable {
  readonly #options: IptablesTableOptions
  readonly #exec: Exec
  readonly #chains = new Map<string, readonly RenderedRule[]>()
  readonly #hooks = new Map<string, Hooks>()
  /** What the kernel holds, as far as we know; undefined: to be read. */
  #actual: ActualTable | undefined
  #dirty = new Set<string>()
  /** Unwanted chains that were still referred to: looked at again whenever something else changes. */
  #lingering: readonly string[] = []
  #tail: Promise<unknown> = Promise.resolve()

  /** @throws {IptablesError} IPTABLES_BAD_RULE for a prefix that could match other programs' things. */
  constructor(options: IptablesTableOptions) {
    checkChainName('chainPrefix', options.chainPrefix)
    if (!/^[A-Za-z0-9_-]+:$/.test(options.hashPrefix)) {
      throw new IptablesError('IPTABLES_BAD_RULE', 'hashPrefix must be a word and a colon', { field: 'hashPrefix' })
    }
    this.#options = options
    this.#exec = options.exec ?? processExec({ netns: options.netns })
  }

  /** Whether something is to be applied. */
  get dirty(): boolean {
    return this.#actual === undefined || this.#dirty.size > 0
  }

  /** @throws {IptablesError} IPTABLES_BAD_RULE; the former rules of the chain stay desired then. */
  setChain(name: string, rules: readonly Rule[]): void {
    this.#chains.set(this.#checkOwn(name), this.#render(rules, name))
    this.#dirty.add(name)
  }

  /** The chain is deleted by the next apply, unless rules of others use it. */
  removeChain(name: string): void {
    if (this.#chains.delete(name)) this.#dirty.add(name)
  }

  /**
   * Rules of ours in a chain of the kernel or of another program: at its very top, or at its very end. They are known
   * by their hash comment; an empty list takes them out.
   * @throws {IptablesError} IPTABLES_BAD_RULE
   */
  setHooks(baseChain: string, place: 'insert' | 'append', rules: readonly Rule[]): void {
    checkChainName('baseChain', baseChain)
    if (baseChain.startsWith(this.#options.chainPrefix)) {
      throw new IptablesError('IPTABLES_BAD_RULE', `${baseChain} is a chain of ours: use setChain`, {
        field: 'baseChain',
      })
    }
    const rendered = this.#render(rules, `${baseChain} ${place}`)
    this.#hooks.set(baseChain, { ...(this.#hooks.get(baseChain) ?? { insert: [], append: [] }), [place]: rendered })
    this.#dirty.add(baseChain)
  }

  /** The hashes of a desired chain's rules in order: how to find them again in {@link read}. */
  hashes(name: string): readonly string[] | undefined {
    return this.#chains.get(name)?.map((rule) => rule.hash)
  }

  /** Have the next apply read the kernel again and repair whatever differs. */
  markStale(): void {
    this.#actual = undefined
  }

  /** Reads the whole table with its packet counters, from the kernel. @throws {IptablesError} */
  async read(): Promise<SavedTable> {
    const { family, variant, table, hashPrefix } = this.#options
    const program = programName(family, variant, 'save')
    const { exitCode, stdout, stderr } = await this.#exec(program, ['-c', '-t', table])
    if (exitCode !== 0) {
      const message = `${program} -t ${table} failed: ${stderr.trim()}`
      throw new IptablesError('IPTABLES_SAVE_FAILED', message, { stderr, exitCode })
    }
    // A table that no rule was ever put in is not printed at all.
    return parseSave(stdout, hashPrefix).get(table) ?? new Map()
  }

  /**
   * Makes the kernel match, in one transaction. A chain that the kernel refuses is left out with what depends on it,
   * and the rest is applied.
   * @throws {IptablesError} when nothing can be applied at all (lock, missing program), or `atomic` was asked for;
   * everything is still to be applied then
   */
  async apply(options: ApplyOptions = {}): Promise<ApplyResult> {
    const result = this.#tail.then(async () => await this.#apply(options))
    // Orders the calls; every caller sees its own outcome.
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    )
    return await result
  }

  async #apply(options: ApplyOptions): Promise<ApplyResult> {
    const dirty = this.#dirty
    this.#dirty = new Set()
    const progress: Progress = { restores: 0, done: [], failures: [] }
    try {
      const stillReferenced = await this.#converge(dirty, progress, options.atomic ?? false)
      for (const { chain } of progress.failures) this.#dirty.add(chain)
      return { ...summary(progress), stillReferenced }
    } catch (error) {
      for (const chain of dirty) this.#dirty.add(chain)
      this.#actual = undefined
      throw error
    }
  }

  async #converge(dirty: ReadonlySet<string>, progress: Progress, atomic: boolean): Promise<readonly string[]> {
    const fresh = this.#actual === undefined
    const actual = this.#actual ?? (await this.#readActual())
    const plan = this.#plan(actual, fresh ? undefined : new Set([...dirty, ...this.#lingering]))
    this.#lingering = plan.stillReferenced
    if (plan.changes.length === 0) return plan.stillReferenced
    const error = await this.#attempt(plan.changes, actual, progress)
    if (error === undefined) return plan.stillReferenced
    if (!fresh) {
      // Someone may have changed the table since we read it: look again before blaming a rule.
      this.#actual = undefined
      return await this.#converge(dirty, progress, atomic)
    }
    if (atomic) throw error
    await this.#applyWithout(plan.changes, actual, progress, error)
    return plan.stillReferenced
  }

  /** @returns what iptables-restore refused, undefined when all was done. @throws other failures */
  async #attempt(
    changes: readonly Change[],
    actual: ActualTable,
    progress: Progress,
  ): Promise<IptablesError | undefined> {
    const { table, family, variant, lockTimeoutSeconds } = this.#options
    const restore = renderRestore(table, changes)
    progress.restores++
    try {
      await runRestore(this.#exec, programName(family, variant, 'restore'), restore, lockTimeoutSeconds ?? 10)
    } catch (error) {
      if (error instanceof IptablesError && error.code === 'IPTABLES_RESTORE_FAILED') return error
      throw error
    }
    recordChanges(actual, changes)
    progress.done.push(...changes)
    return undefined
  }

  /**
   * Applies all but what is to blame for `error`: the change that owns the offending line, or, when the kernel names
   * none, what halving finds.
   */
  async #applyWithout(
    changes: readonly Change[],
    actual: ActualTable,
    progress: Progress,
    error: IptablesError,
  ): Promise<void> {
    const blamed = changes.length === 1 ? changes[0] : ownerOf(error, renderRestore(this.#options.table, changes))
    if (blamed !== undefined) {
      const rest = setAside(blamed, error, changes, actual, progress)
      await this.#applyRest(rest, actual, progress)
      return
    }
    const middle = Math.ceil(changes.length / 2)
    await this.#applyRest(changes.slice(0, middle), actual, progress)
    const failed = new Set(progress.failures.map((failure) => failure.chain))
    let second = changes.slice(middle)
    for (const change of changes.slice(0, middle)) {
      if (failed.has(change.chain)) second = dropDependents(change, second, actual, progress)
    }
    await this.#applyRest(second, actual, progress)
  }

  async #applyRest(changes: readonly Change[], actual: ActualTable, progress: Progress): Promise<void> {
    if (changes.length === 0) return
    const error = await this.#attempt(changes, actual, progress)
    if (error !== undefined) await this.#applyWithout(changes, actual, progress, error)
  }

  async #readActual(): Promise<ActualTable> {
    const saved = await this.read()
    const actual: ActualTable = new Map([...saved].map(([name, chain]) => [name, chain.rules]))
    this.#actual = actual
    return actual
  }

  #plan(actual: ActualTable, names: ReadonlySet<string> | undefined): ReturnType<typeof planChanges> {
    const { chainPrefix } = this.#options
    const desired = { chains: this.#chains, hooks: this.#hooks }
    return planChanges(desired, actual, (chain) => chain.startsWith(chainPrefix), names)
  }

  #render(rules: readonly Rule[], seed: string): RenderedRule[] {
    return renderRules(rules, seed, { family: this.#options.family, hashPrefix: this.#options.hashPrefix })
  }

  #checkOwn(name: string): string {
    checkChainName('name', name)
    if (name.startsWith(this.#options.chainPrefix)) return name
    const message = `chain ${name} does not begin with ${this.#options.chainPrefix}`
    throw new IptablesError('IPTABLES_BAD_RULE', message, { field: 'name' })
  }
}

/** Notes the failure of `blamed` and of what depends on it. @returns the other changes */
function setAside(
  blamed: Change,
  error: IptablesError,
  changes: readonly Change[],
  actual: ActualTable,
  progress: Progress,
): Change[] {
  progress.failures.push({ chain: blamed.chain, error })
  return dropDependents(
    blamed,
    changes.filter((change) => change !== blamed),
    actual,
    progress,
  )
}

function dropDependents(failed: Change, changes: readonly Change[], actual: ActualTable, progress: Progress): Change[] {
  const dependents = new Set(dependentsOf(failed, changes, actual))
  for (const { chain } of dependents) {
    const message = `${chain} needs ${failed.chain}, which could not be written`
    progress.failures.push({ chain, error: new IptablesError('IPTABLES_DEPENDS_ON_FAILED', message) })
  }
  return changes.filter((change) => !dependents.has(change))
}

function summary(progress: Progress): Omit<ApplyResult, 'stillReferenced'> {
  const namesOf = (kind: Change['kind']): string[] =>
    progress.done.filter((change) => change.kind === kind).map((change) => change.chain)
  return {
    restores: progress.restores,
    writtenChains: namesOf('write'),
    deletedChains: namesOf('delete'),
    repairedHooks: namesOf('hooks'),
    failures: progress.failures,
  }
}
