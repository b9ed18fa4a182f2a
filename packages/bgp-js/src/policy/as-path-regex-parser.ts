/** A node of the automaton; `next` are indices. */
export type AsPathNode =
  | { readonly kind: 'class'; readonly matches: (character: string) => boolean; readonly next: number }
  | { readonly kind: 'split'; readonly next: readonly number[] }
  | { readonly kind: 'begin' | 'end'; readonly next: number }
  | { readonly kind: 'accept' }

const MAX_LENGTH = 256
/** What `_` matches, besides both ends. */
const BORDERS = ' ,{}()[]'
const SPECIAL = '*+?|)'

/** @throws {RangeError} naming the place that is wrong */
export function parseAsPathRegex(expression: string): { nodes: readonly AsPathNode[]; start: number } {
  if (expression.length > MAX_LENGTH) throw new RangeError(`is longer than ${MAX_LENGTH} characters`)
  return new Parser(expression).parse()
}

/** Builds a part of the automaton that goes on to `next`. @returns its first node */
type Build = (next: number) => number

/** Recursive descent; what it reads becomes functions that build the automaton from its end. */
class Parser {
  readonly #text: string
  readonly #nodes: AsPathNode[] = []
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): { nodes: readonly AsPathNode[]; start: number } {
    const build = this.#alternatives()
    if (this.#at < this.#text.length) throw this.#wrong('")" without "("')
    const start = build(this.#add({ kind: 'accept' }))
    return { nodes: this.#nodes, start }
  }

  #alternatives(): Build {
    const branches = [this.#sequence()]
    while (this.#take('|')) branches.push(this.#sequence())
    const [only] = branches
    if (branches.length === 1 && only !== undefined) return only
    return (next) => this.#add({ kind: 'split', next: branches.map((build) => build(next)) })
  }

  #sequence(): Build {
    const parts: Build[] = []
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated())
    }
    return (next) => parts.reduceRight((following, build) => build(following), next)
  }

  #repeated(): Build {
    let build = this.#single()
    for (let sign = this.#peek(); sign === '*' || sign === '+' || sign === '?'; sign = this.#peek()) {
      this.#at++
      build = this.#repeat(build, sign)
    }
    return build
  }

  #repeat(build: Build, sign: '*' | '+' | '?'): Build {
    if (sign === '?') return (next) => this.#add({ kind: 'split', next: [build(next), next] })
    return (next) => {
      const loop = this.#add({ kind: 'split', next: [] })
      const body = build(loop)
      this.#nodes[loop] = { kind: 'split', next: [body, next] }
      return sign === '*' ? loop : body
    }
  }

  #single(): Build {
    const character = this.#text[this.#at++] ?? ''
    if (SPECIAL.includes(character)) throw this.#wrong(`nothing before "${character}"`)
    if (character === '(') return this.#group()
    if (character === '[') return this.#class(this.#bracket())
    if (character === '.') return this.#class(() => true)
    if (character === '_') return (next) => this.#border(next)
    if (character === '^') return (next) => this.#add({ kind: 'begin', next })
    if (character === '$') return (next) => this.#add({ kind: 'end', next })
    const literal = character === '\\' ? this.#escaped() : character
    return this.#class((candidate) => candidate === literal)
  }

  #group(): Build {
    const build = this.#alternatives()
    if (!this.#take(')')) throw this.#wrong('"(" without ")"')
    return build
  }

  #class(matches: (character: string) => boolean): Build {
    return (next) => this.#add({ kind: 'class', matches, next })
  }

  #border(next: number): number {
    const character = this.#add({ kind: 'class', matches: (candidate) => BORDERS.includes(candidate), next })
    const ends = (['begin', 'end'] as const).map((kind) => this.#add({ kind, next }))
    return this.#add({ kind: 'split', next: [character, ...ends] })
  }

  /** `[0-9]`, `[^, ]`; a `]` that comes first stands for itself. */
  #bracket(): (character: string) => boolean {
    const negated = this.#take('^')
    const ranges: [string, string][] = []
    while (ranges.length === 0 || this.#peek() !== ']') {
      const from = this.#text[this.#at++]
      if (from === undefined) throw this.#wrong('"[" without "]"')
      const isRange = this.#peek() === '-' && (this.#text[this.#at + 1] ?? ']') !== ']'
      const to = isRange ? (this.#text[this.#at + 1] ?? from) : from
      if (isRange) this.#at += 2
      if (to < from) throw this.#wrong(`range ${from}-${to} is backwards`)
      ranges.push([from, to])
    }
    this.#at++
    return (character) => ranges.some(([from, to]) => character >= from && character <= to) !== negated
  }

  #escaped(): string {
    const character = this.#text[this.#at++]
    if (character === undefined) throw this.#wrong('"\\" at the end')
    return character
  }

  #add(node: AsPathNode): number {
    return this.#nodes.push(node) - 1
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }

  #wrong(problem: string): RangeError {
    return new RangeError(`${problem} (at ${this.#at})`)
  }
}
