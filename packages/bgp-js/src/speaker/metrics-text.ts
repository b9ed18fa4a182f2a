/** Labels of one time series. */
export type Labels = Readonly<Record<string, string | number>>

/** One metric with what it is worth now. */
export interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly samples: Iterable<readonly [labels: Labels, value: number]>
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** The text exposition format of Prometheus, version 0.0.4, line by line; a metric without samples is left out. */
export function* metricsText(metrics: Iterable<Metric>): Generator<string> {
  for (const { name, type, help, samples } of metrics) {
    let isFirst = true
    for (const [labels, value] of samples) {
      if (isFirst) yield `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`
      isFirst = false
      yield `${name}${labelsText(labels)} ${numberText(value)}\n`
    }
  }
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')

const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : `${value > 0 ? '+' : '-'}Inf`
}
