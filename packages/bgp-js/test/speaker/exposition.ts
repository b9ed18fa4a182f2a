/** One sample of the text exposition format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|$)/y

/**
 * Reads what Prometheus would, and is as strict as `promtool check metrics`: HELP and TYPE before the samples of each
 * metric, its samples together, no series twice, counters named `_total`.
 */
export function parseExposition(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('no line feed at the end')
  const samples: Sample[] = []
  const types = new Map<string, string>()
  const series = new Set<string>()
  let current = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line)
    if (head !== null) {
      const [, kind, name = '', value = ''] = head
      if (kind === 'HELP' && types.has(name)) throw new Error(`${name} is there twice`)
      if (kind === 'TYPE' && current !== name) throw new Error(`${name}: TYPE without HELP`)
      if (kind === 'TYPE') types.set(name, value)
      current = name
      continue
    }
    const sample = parseSample(line)
    if (sample.name !== current || !types.has(current)) throw new Error(`out of place: ${line}`)
    if ((types.get(current) === 'counter') !== current.endsWith('_total')) throw new Error(`bad name: ${current}`)
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).toSorted(([a], [b]) => (a < b ? -1 : 1))])
    if (series.has(key)) throw new Error(`twice: ${line}`)
    series.add(key)
    samples.push(sample)
  }
  return samples
}

function parseSample(line: string): Sample {
  const [, name, labelText = '', number] = LINE.exec(line) ?? []
  if (name === undefined || number === undefined) throw new Error(`no sample: ${line}`)
  const value = number === '+Inf' ? Infinity : Number(number)
  if (Number.isNaN(value)) throw new Error(`no number: ${line}`)
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < labelText.length) {
    const match = LABEL.exec(labelText)
    if (match === null) throw new Error(`bad labels: ${line}`)
    const [, label = '', escaped = ''] = match
    if (label in labels) throw new Error(`label twice: ${line}`)
    labels[label] = escaped.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
  }
  return { name, labels, value }
}
