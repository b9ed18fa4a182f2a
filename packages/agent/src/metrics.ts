import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { DataplaneMetrics } from './dataplane/dataplane.ts'

/** What `GET /metrics` shows. Names follow Felix's where it has the same thing. */
export class AgentMetrics implements DataplaneMetrics {
  readonly registry = new Registry()
  readonly #applySeconds = new Histogram({
    name: 'margay_dataplane_apply_time_seconds',
    help: 'Time of one run over all drivers',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [this.registry],
  })
  readonly #failures = new Counter({
    name: 'margay_dataplane_failures_total',
    help: 'Runs of a driver that failed',
    labelNames: ['driver'] as const,
    registers: [this.registry],
  })
  readonly #cniSeconds = new Histogram({
    name: 'margay_cni_request_seconds',
    help: 'Time to answer a CNI request',
    labelNames: ['command', 'result'] as const,
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry })
  }

  applied(seconds: number): void {
    this.#applySeconds.observe(seconds)
  }

  failed(driver: string): void {
    this.#failures.inc({ driver })
  }

  cniAnswered(command: string, result: 'ok' | 'error', seconds: number): void {
    this.#cniSeconds.observe({ command, result }, seconds)
  }

  /** A gauge that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }

  /** A gauge with labels, set anew each time it is asked for. */
  labelledGauge<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    read: () => { labels: Record<L, string>; value: number }[],
  ): void {
    new Gauge({
      name,
      help,
      labelNames: labels,
      registers: [this.registry],
      collect() {
        this.reset()
        for (const { labels: values, value } of read()) this.set(values, value)
      },
    })
  }
}
