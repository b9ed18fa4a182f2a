const compiled = new Map<string, RegExp | undefined>()
const CACHE_AT_MOST = 4096

/**
 * The regular expression that an RE2 `pattern` of a schema stands for; undefined when it can't be compiled.
 * RE2's `\A`, `\z`, `(?P<name>` and leading `(?i)` flags are translated; the two dialects agree on the rest in use.
 */
export function compilePattern(pattern: string): RegExp | undefined {
  if (compiled.has(pattern)) return compiled.get(pattern)
  if (compiled.size >= CACHE_AT_MOST) compiled.clear()
  const expression = translate(pattern)
  compiled.set(pattern, expression)
  return expression
}

function translate(pattern: string): RegExp | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(pattern)
  const body = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$')
    .replaceAll('(?P<', '(?<')
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(body, (flags?.[1] ?? '') + unicode)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
  }
  return undefined
}
