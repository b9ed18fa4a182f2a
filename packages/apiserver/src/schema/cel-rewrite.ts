import type { ASTNode, Environment } from '@marcbachmann/cel-js'

/**
 * The CEL library takes `has(a.b.c)` of names only. CEL also allows `has(list[0].c)`, `has(f(x).c)`: such calls are
 * rewritten to the optional selection `(list[0]).?c.hasValue()`, which means the same.
 */
export function allowFreeHas(source: string, environment: Environment): string {
  let result = source
  // Rewriting from the last call to the first keeps the earlier positions valid; inner calls come after outer ones.
  for (;;) {
    const call = lastFreeHas(environment.parse(result).ast)
    if (call === undefined) return result
    const { start, end, operand, field } = call
    result = `${result.slice(0, start)}(${result.slice(operand.start, operand.end)}).?${field}.hasValue()${result.slice(end)}`
  }
}

interface FreeHas {
  start: number
  end: number
  operand: { start: number; end: number }
  field: string
}

function lastFreeHas(ast: ASTNode): FreeHas | undefined {
  let last: FreeHas | undefined
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const member of node) visit(member)
      return
    }
    if (!isNode(node)) return
    if (node.op === 'call' && node.args[0] === 'has' && node.args[1].length === 1) {
      const argument = node.args[1][0]
      if (argument?.op === '.' && !isPlainPath(argument.args[0])) {
        const found = { start: node.start, end: node.end, operand: argument.args[0], field: argument.args[1] }
        if (last === undefined || found.start > last.start) last = found
      }
    }
    visit(node.args)
  }
  visit(ast)
  return last
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}

function isPlainPath(node: ASTNode): boolean {
  if (node.op === 'id') return true
  return node.op === '.' && isPlainPath(node.args[0])
}
