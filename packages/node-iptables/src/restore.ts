import { IptablesError, type OffendingLine } from './errors.ts'
import type { Exec, ExecResult } from './exec.ts'
import type { Change, RestoreText } from './table-diff.ts'

/** Which of the two implementations of iptables: they are different rule sets of the kernel. */
export type Variant = 'legacy' | 'nft'

/** `ip6tables-nft-restore` and its like. */
export const programName = (family: 4 | 6, variant: Variant, what: 'save' | 'restore'): string =>
  `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}-${what}`

/**
 * Feeds one transaction to iptables-restore --noflush, waiting for the xtables lock.
 * @throws {IptablesError} IPTABLES_LOCK_TIMEOUT, or IPTABLES_RESTORE_FAILED with the offending line when it is told
 */
export async function runRestore(
  exec: Exec,
  program: string,
  restore: RestoreText,
  lockTimeoutSeconds: number,
): Promise<void> {
  const result = await exec(program, ['--noflush', '-w', `${lockTimeoutSeconds}`], restore.text)
  if (result.exitCode === 0) return
  const { stderr, exitCode } = result
  if (/xtables lock/.test(stderr)) {
    const message = `${program}: another program held the xtables lock for ${lockTimeoutSeconds} s`
    throw new IptablesError('IPTABLES_LOCK_TIMEOUT', message, { stderr, exitCode })
  }
  const line = offendingLine(result, restore)
  const where = line === undefined ? '' : ` at line ${line.number}: ${line.text}`
  const message = `${program}: ${firstLineOf(stderr)}${where}`
  throw new IptablesError('IPTABLES_RESTORE_FAILED', message, { line, stderr, exitCode })
}

/** iptables-nft names a missing chain but gives the number of a later line. */
const MISSING_CHAIN = /Chain '([^']+)' does not exist/
const LINE_NUMBERS = [/\bline (\d+): \S+ failed/, /Error occurred at line: (\d+)/, /\bline (\d+) failed/]

function offendingLine(result: ExecResult, restore: RestoreText): OffendingLine | undefined {
  const missing = MISSING_CHAIN.exec(result.stderr)?.[1]
  if (missing !== undefined) {
    const index = restore.lines.findIndex(
      (line) => line.includes(` -j ${missing}`) || line.includes(` -g ${missing}`) || line === `-X ${missing}`,
    )
    if (index >= 0) return { number: index + 1, text: restore.lines[index] as string }
  }
  for (const pattern of LINE_NUMBERS) {
    const number = Number(pattern.exec(result.stderr)?.[1])
    const text = restore.lines[number - 1]
    if (text !== undefined) return { number, text }
  }
  return undefined
}

/** The change that the offending line belongs to; undefined when the kernel only refused the whole. */
export const ownerOf = (error: IptablesError, restore: RestoreText): Change | undefined =>
  error.line === undefined ? undefined : restore.owners[error.line.number - 1]

function firstLineOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const [first, second] = lines.map((line) => line.trim())
  if (first === undefined) return 'failed without a word'
  // "iptables-nft-restore v1.8.9 (nf_tables):" stands on a line of its own before the reason.
  return first.endsWith(':') && second !== undefined ? `${first} ${second}` : first
}
