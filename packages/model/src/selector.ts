import { ModelError } from './errors.ts'
import type { Labels } from './kubernetes.ts'

/** A parsed selector of Calico's language; `text` is its source. */
export interface Selector {
  readonly text: string
  matches(labels: Labels): boolean
}

type Test = (labels: Labels) => boolean

const MAX_LENGTH = 1024
/** Nesting that no person writes; a bound on the parser's recursion. */
const MAX_DEPTH = 64

const TOKEN =
  /[ \t]*(?:(?<string>"[^"]*"|'[^']*')|(?<has>has\([ \t]*(?<label>[A-Za-z0-9_./-]{1,512})[ \t]*\))|(?<call>all\([ \t]*\)|global\([ \t]*\))|(?<operator>==|!=|&&|\|\||!|\(|\)|\{|\}|,)|(?<word>[A-Za-z0-9_./-]{1,512}))/y

type Token = { kind: 'string' | 'has' | 'call' | 'operator' | 'word' | 'end'; text: string; at: number }

/**
 * Parses Calico's selector grammar (`has(a) && b in {"x", "y"} || !all()`); an empty text is `all()`.
 * @throws {ModelError} MODEL_BAD_SELECTOR with the column of the mistake
 */
export function parseSelector(text: string): Selector {
  if (text.length > MAX_LENGTH) throw bad(text, 0, `is longer than ${MAX_LENGTH} characters`)
  if (/^[ \t]*$/.test(text)) return { text, matches: () => true }
  const parser = new Parser(text)
  const test = parser.parse()
  return { text, matches: test }
}

function bad(text: string, at: number, message: string): ModelError {
  return new ModelError('MODEL_BAD_SELECTOR', `selector ${JSON.stringify(text.slice(0, 200))}`, [
    { field: `column ${at + 1}`, message },
  ])
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (!/^[ \t]*$/.test(text.slice(at))) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match?.groups === undefined) throw bad(text, at, 'is not understood here')
    const { string, has, label, call, operator, word } = match.groups
    const start = at
    at = TOKEN.lastIndex
    if (string !== undefined) tokens.push({ kind: 'string', text: string.slice(1, -1), at: start })
    else if (has !== undefined) tokens.push({ kind: 'has', text: label ?? '', at: start })
    else if (call !== undefined) tokens.push({ kind: 'call', text: call, at: start })
    else if (operator !== undefined) tokens.push({ kind: 'operator', text: operator, at: start })
    else tokens.push({ kind: 'word', text: word ?? '', at: start })
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length })
  return tokens
}

/** Recursive descent: or := and ('||' and)*; and := term ('&&' term)*. */
class Parser {
  readonly #text: string
  readonly #tokens: Token[]
  #next = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokenize(text)
  }

  parse(): Test {
    const test = this.#or()
    this.#expect('end', undefined, 'the end')
    return test
  }

  #or(): Test {
    if (++this.#depth > MAX_DEPTH) throw bad(this.#text, this.#peek().at, 'is nested too deeply')
    const terms = [this.#and()]
    while (this.#accept('||')) terms.push(this.#and())
    this.#depth--
    return (labels) => terms.some((term) => term(labels))
  }

  #and(): Test {
    const terms = [this.#term()]
    while (this.#accept('&&')) terms.push(this.#term())
    return (labels) => terms.every((term) => term(labels))
  }

  #term(): Test {
    let negated = false
    while (this.#accept('!')) negated = !negated
    const test = this.#plainTerm()
    return negated ? (labels) => !test(labels) : test
  }

  #plainTerm(): Test {
    const token = this.#take()
    if (token.kind === 'has') return (labels) => Object.hasOwn(labels, token.text)
    // No labels say that a node or a namespace is "global", so nothing that a label selector selects is.
    if (token.kind === 'call') return token.text.startsWith('all') ? () => true : () => false
    if (token.kind === 'operator' && token.text === '(') {
      const test = this.#or()
      this.#expect('operator', ')', ')')
      return test
    }
    if (token.kind === 'word') return this.#comparison(token.text)
    throw bad(this.#text, token.at, `expected a condition, not ${JSON.stringify(token.text)}`)
  }

  #comparison(label: string): Test {
    const operator = this.#take()
    const of = (labels: Labels): string | undefined => (Object.hasOwn(labels, label) ? labels[label] : undefined)
    switch (this.#operatorWord(operator)) {
      case '==': {
        const wanted = this.#string()
        return (labels) => of(labels) === wanted
      }
      case '!=': {
        const wanted = this.#string()
        return (labels) => of(labels) !== wanted
      }
      case 'in': {
        const set = this.#set()
        return (labels) => set.has(of(labels))
      }
      case 'not in': {
        const set = this.#set()
        return (labels) => !set.has(of(labels))
      }
      case 'contains': {
        const part = this.#string()
        return (labels) => of(labels)?.includes(part) === true
      }
      case 'starts with': {
        const part = this.#string()
        return (labels) => of(labels)?.startsWith(part) === true
      }
      case 'ends with': {
        const part = this.#string()
        return (labels) => of(labels)?.endsWith(part) === true
      }
      default:
        throw bad(this.#text, operator.at, `expected an operator after ${label}, not ${JSON.stringify(operator.text)}`)
    }
  }

  /** The operators of two words may be written as one: `notin`, `startswith`, `endswith`. */
  #operatorWord(token: Token): string {
    if (token.text === '==' || token.text === '!=') return token.text
    if (token.kind !== 'word') return ''
    const pairs: Record<string, string> = { notin: 'not in', startswith: 'starts with', endswith: 'ends with' }
    const second: Record<string, string> = { not: 'in', starts: 'with', ends: 'with' }
    const follow = second[token.text]
    if (follow === undefined) return pairs[token.text] ?? token.text
    this.#expect('word', follow, `"${token.text} ${follow}"`)
    return `${token.text} ${follow}`
  }

  #set(): Set<string | undefined> {
    this.#expect('operator', '{', '{')
    const values = new Set<string | undefined>()
    while (!this.#accept('}')) {
      values.add(this.#string())
      if (!this.#accept(',')) {
        this.#expect('operator', '}', '}')
        break
      }
    }
    return values
  }

  #string(): string {
    const token = this.#take()
    if (token.kind !== 'string')
      throw bad(this.#text, token.at, `expected a quoted string, not ${JSON.stringify(token.text)}`)
    return token.text
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token
  }

  #take(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#next++
    return token
  }

  #accept(operator: string): boolean {
    const { kind, text } = this.#peek()
    if (kind !== 'operator' || text !== operator) return false
    this.#next++
    return true
  }

  #expect(kind: Token['kind'], text: string | undefined, wanted: string): void {
    const token = this.#take()
    if (token.kind !== kind || (text !== undefined && token.text !== text)) {
      throw bad(this.#text, token.at, `expected ${wanted}, not ${JSON.stringify(token.text)}`)
    }
  }
}
