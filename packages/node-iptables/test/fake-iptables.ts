import type { Exec, ExecResult } from '../src/index.ts'

/** One table in memory that understands what the driver says to iptables-save and iptables-restore --noflush. */
export class FakeIptables {
  readonly chains = new Map<string, string[]>()
  restores = 0
  /** Rules that hold this word are refused. */
  refused = 'REFUSED'
  /** Refusals name no line, as the kernel's own do. */
  silent = false

  readonly exec: Exec = async (program, _args, input) => {
    await Promise.resolve()
    if (program.endsWith('-save')) return { exitCode: 0, stdout: this.#save(), stderr: '' }
    this.restores++
    return this.#restore(input ?? '')
  }

  #save(): string {
    const names = [...this.chains.keys()].map((name) => `:${name} ${/^[A-Z]+$/.test(name) ? 'ACCEPT' : '-'} [0:0]`)
    const rules = [...this.chains].flatMap(([name, list]) => list.map((rule) => `[0:0] -A ${name} ${rule}`))
    return ['*filter', ...names, ...rules, 'COMMIT', ''].join('\n')
  }

  #restore(text: string): ExecResult {
    const copy = new Map([...this.chains].map(([name, rules]) => [name, [...rules]]))
    for (const [index, line] of text.split('\n').entries()) {
      const why = apply(copy, line, this.refused)
      if (why === undefined) continue
      const where = this.silent ? 'iptables-restore: line 9999 failed' : `Error occurred at line: ${index + 1}`
      return { exitCode: 2, stdout: '', stderr: `${why}\n${where}\n` }
    }
    this.chains.clear()
    for (const [name, rules] of copy) this.chains.set(name, rules)
    return { exitCode: 0, stdout: '', stderr: '' }
  }
}

/** @returns why the line is refused */
function apply(chains: Map<string, string[]>, line: string, refused: string): string | undefined {
  const [, command, name, rule = ''] = /^(:|-[AIDX] )(\S+)(?: (.*))?$/.exec(line) ?? []
  if (command === undefined || name === undefined) return undefined
  if (command === ':') {
    chains.set(name, [])
    return undefined
  }
  const rules = chains.get(name)
  if (rules === undefined) return `no chain ${name}`
  if (command === '-X ') return remove(chains, name, rules)
  if (command === '-D ') {
    const place = rules.indexOf(rule)
    if (place < 0) return `no such rule in ${name}`
    rules.splice(place, 1)
    return undefined
  }
  const target = / -j (\S+)$/.exec(` ${rule}`)?.[1]
  if (rule.includes(refused)) return `refused ${rule}`
  if (target !== undefined && !/^[A-Z]+$/.test(target) && !chains.has(target)) return `no target ${target}`
  if (command === '-I ') rules.unshift(rule)
  else rules.push(rule)
  return undefined
}

function remove(chains: Map<string, string[]>, name: string, rules: string[]): string | undefined {
  if (rules.length > 0) return `chain ${name} is not empty`
  const used = [...chains.values()].some((list) => list.some((rule) => ` ${rule}`.endsWith(` -j ${name}`)))
  if (used) return `chain ${name} is used`
  chains.delete(name)
  return undefined
}
