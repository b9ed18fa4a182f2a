import { IptablesError } from './errors.ts'

/** A rule as iptables-save prints it. */
export interface SavedRule {
  /** Everything behind `-A CHAIN `; fit for `-D CHAIN …`. */
  readonly text: string
  /** The value of its first comment that begins with the prefix asked for, without that prefix. */
  readonly hash: string | undefined
  /** The chain or target behind `-j` or `-g`. */
  readonly target: string | undefined
  /** With iptables-save -c alone. */
  readonly packets: number | undefined
  readonly octets: number | undefined
}

export interface SavedChain {
  readonly name: string
  /** `ACCEPT` or `DROP` of a chain of the kernel; undefined for a chain of a user. */
  readonly policy: string | undefined
  readonly rules: readonly SavedRule[]
}

/** One table of iptables-save's output: its chains by name. */
export type SavedTable = ReadonlyMap<string, SavedChain>

interface OpenTable {
  readonly chains: Map<string, { name: string; policy: string | undefined; rules: SavedRule[] }>
}

/**
 * Reads what iptables-save printed. Rules of other programs are kept as text, understood or not.
 * @returns tables by name
 * @throws {IptablesError} IPTABLES_BAD_SAVE with the line, IPTABLES_INCOMPATIBLE for a table that only `nft` can show
 */
export function parseSave(text: string, hashPrefix: string): Map<string, SavedTable> {
  const tables = new Map<string, SavedTable>()
  let open: OpenTable | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) {
      if (/^# Table `.*' is incompatible/.test(line)) throw new IptablesError('IPTABLES_INCOMPATIBLE', line.slice(2))
      continue
    }
    if (line.startsWith('*')) {
      if (open !== undefined) throw badSave(index, line, 'begins a table inside another')
      open = { chains: new Map() }
      tables.set(line.slice(1).trim(), open.chains)
    } else if (open === undefined) throw badSave(index, line, 'stands outside of any table')
    else if (line.trim() === 'COMMIT') open = undefined
    else if (line.startsWith(':')) readChain(open, line, index)
    else readRule(open, line, index, hashPrefix)
  }
  if (open !== undefined) throw new IptablesError('IPTABLES_BAD_SAVE', 'the text ends inside a table')
  return tables
}

function readChain(table: OpenTable, line: string, index: number): void {
  const match = /^:(\S+) (\S+)(?: \[\d+:\d+\])?\s*$/.exec(line)
  if (match === null) throw badSave(index, line, 'is not a chain')
  const name = match[1] as string
  table.chains.set(name, { name, policy: match[2] === '-' ? undefined : match[2], rules: [] })
}

function readRule(table: OpenTable, line: string, index: number, hashPrefix: string): void {
  const match = /^(?:\[(\d+):(\d+)\] )?-A (\S+)(?: (.*))?$/.exec(line)
  const chain = table.chains.get(match?.[3] ?? '')
  if (match === null || chain === undefined) throw badSave(index, line, 'is not a rule of a known chain')
  const text = (match[4] ?? '').trimEnd()
  chain.rules.push({
    text,
    ...inspectRule(text, hashPrefix),
    packets: match[1] === undefined ? undefined : Number(match[1]),
    octets: match[2] === undefined ? undefined : Number(match[2]),
  })
}

/** Options whose value may look like another option. */
const FREE_TEXT = new Set(['--comment', '--log-prefix', '--nflog-prefix', '--string', '--name'])

/** Finds the hash comment and the target among a rule's words. */
function inspectRule(text: string, hashPrefix: string): { hash: string | undefined; target: string | undefined } {
  let hash: string | undefined
  let target: string | undefined
  let previous = ''
  for (const word of splitWords(text)) {
    if (FREE_TEXT.has(previous)) {
      if (previous === '--comment' && word.startsWith(hashPrefix)) hash ??= word.slice(hashPrefix.length)
      previous = ''
      continue
    }
    if (previous === '-j' || previous === '-g') target = word
    previous = word
  }
  return { hash, target }
}

/** Splits at blanks; `"` quotes and `\` escapes inside quotes, as iptables-save writes them. */
function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index] as string
    if (quoted && character === '\\' && index + 1 < text.length) word = (word ?? '') + (text[++index] as string)
    else if (character === '"') {
      quoted = !quoted
      word ??= ''
    } else if (character === ' ' && !quoted) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + character
  }
  if (word !== undefined) words.push(word)
  return words
}

const badSave = (index: number, line: string, why: string): IptablesError =>
  new IptablesError('IPTABLES_BAD_SAVE', `line ${index + 1} of iptables-save ${why}: ${line.slice(0, 300)}`, {
    line: { number: index + 1, text: line },
  })
