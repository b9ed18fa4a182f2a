import { type AsPathNode, parseAsPathRegex } from './as-path-regex-parser.ts'

/** So many states of the lazily built automaton are remembered; then it begins anew. */
const MAX_REMEMBERED = 1000

type StateSet = readonly number[]

interface DfaState {
  readonly nodes: StateSet
  readonly accepts: boolean
  readonly acceptsAtEnd: boolean
  readonly next: Map<string, DfaState>
}

/**
 * An AS-path expression as routers have it: `.` `*` `+` `?` `[…]` `(…)` `|` `^` `$`, and `_` for a border between ASes.
 * It is matched by an automaton, without going back: time grows with the path's length whatever the expression.
 */
export class AsPathRegex {
  readonly #nodes: readonly AsPathNode[]
  readonly #start: number
  #states = new Map<string, DfaState>()

  /** @throws {RangeError} for an expression that is none */
  constructor(expression: string) {
    const { nodes, start } = parseAsPathRegex(expression)
    this.#nodes = nodes
    this.#start = start
  }

  /** Does the expression match somewhere in `text`? */
  test(text: string): boolean {
    let state = this.#state(this.#closure([this.#start], { begin: true, end: false }))
    for (const character of text) {
      if (state.accepts) return true
      state = this.#step(state, character)
    }
    const atEnd = text === '' ? this.#closure([this.#start], { begin: true, end: true }) : undefined
    return atEnd === undefined ? state.acceptsAtEnd : this.#hasAccept(atEnd)
  }

  #step(state: DfaState, character: string): DfaState {
    const known = state.next.get(character)
    if (known !== undefined) return known
    const reached: number[] = [this.#start]
    for (const index of state.nodes) {
      const node = this.#nodes[index]
      if (node?.kind === 'class' && node.matches(character)) reached.push(node.next)
    }
    const next = this.#state(this.#closure(reached, { begin: false, end: false }))
    state.next.set(character, next)
    return next
  }

  /** What is reached from `from` without a character. Nodes that wait for the end stay in the set. */
  #closure(from: readonly number[], at: { begin: boolean; end: boolean }): StateSet {
    const seen = new Set<number>()
    const waiting = [...from]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (seen.has(index)) continue
      seen.add(index)
      const node = this.#nodes[index]
      if (node?.kind === 'split') waiting.push(...node.next)
      else if ((node?.kind === 'begin' && at.begin) || (node?.kind === 'end' && at.end)) waiting.push(node.next)
    }
    return [...seen].toSorted((a, b) => a - b)
  }

  #state(nodes: StateSet): DfaState {
    const key = nodes.join()
    const known = this.#states.get(key)
    if (known !== undefined) return known
    const atEnd = this.#closure(nodes, { begin: false, end: true })
    const state = { nodes, accepts: this.#hasAccept(nodes), acceptsAtEnd: this.#hasAccept(atEnd), next: new Map() }
    if (this.#states.size >= MAX_REMEMBERED) this.#states = new Map()
    this.#states.set(key, state)
    return state
  }

  #hasAccept(nodes: StateSet): boolean {
    return nodes.some((index) => this.#nodes[index]?.kind === 'accept')
  }
}
