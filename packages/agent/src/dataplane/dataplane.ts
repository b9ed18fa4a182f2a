import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'

/** One thing that makes a part of the kernel match a desired state. */
export interface Driver {
  readonly name: string
  /**
   * Policy hangs on it: what comes after waits until it has succeeded, and when it never does the process ends. A
   * {@link PartialFailure} is no such failure.
   */
  readonly critical: boolean
  /** Programs what differs. Rejects when something could not be programmed; it stays to be done. */
  apply(): Promise<void>
  /** When the driver wants to run though nothing changed (a re-read of the kernel), in ms of `performance.now()`. */
  nextRun?(): number
}

/**
 * The kernel refused some of what a driver was to program, and has all the rest. What is missing fails closed, so one
 * object that the kernel does not take never holds up the others.
 */
export class PartialFailure extends AggregateError {
  override readonly name = 'PartialFailure'
}

export interface DataplaneMetrics {
  applied(seconds: number): void
  failed(driver: string): void
}

interface Submission {
  readonly change: () => void
  readonly handled: PromiseWithResolvers<void>
  readonly programmed: PromiseWithResolvers<void>
}

const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 5_000
/** So many failures in a row, and the process ends: running on with a policy that is not enforced is no option. */
const MAX_FAILURES = 20

/**
 * The agent's one loop: take the changes that came in, then run every driver in its order. Changes are handled between
 * two runs and never during one, so all drivers of a run see the same desired state. Nothing runs before `start`.
 */
export class Dataplane {
  readonly #drivers: readonly Driver[]
  readonly #log: Logger
  readonly #metrics: DataplaneMetrics
  readonly #onFatal: (error: Error) => void
  readonly #stopping = new AbortController()
  #inbox: Submission[] = []
  #unprogrammed: Submission[] = []
  #wake = Promise.withResolvers<void>()
  #started = false
  #lastError: Error | undefined
  #blockedBy: Error | undefined
  #failures = 0
  #criticalFailures = 0

  /** @param options.drivers in the order in which they run */
  constructor(options: {
    drivers: readonly Driver[]
    log: Logger
    metrics: DataplaneMetrics
    onFatal: (error: Error) => void
  }) {
    this.#drivers = options.drivers
    this.#log = options.log
    this.#metrics = options.metrics
    this.#onFatal = options.onFatal
  }

  /** What of policy the last run could not program; undefined after a good one. */
  get lastError(): Error | undefined {
    return this.#lastError
  }

  /** Why nothing can be programmed; undefined while something can. */
  get blockedBy(): Error | undefined {
    return this.#blockedBy
  }

  get started(): boolean {
    return this.#started
  }

  /**
   * Hands in a change of desired state. `handled` resolves when it is made, `programmed` when the kernel has it. A
   * change that throws is logged here and rejects both; the changes beside it are made.
   */
  submit(change: () => void): { handled: Promise<void>; programmed: Promise<void> } {
    const handled = Promise.withResolvers<void>()
    const programmed = Promise.withResolvers<void>()
    for (const { promise } of [handled, programmed]) promise.catch(isLogged)
    this.#inbox.push({ change, handled, programmed })
    this.#wake.resolve()
    return { handled: handled.promise, programmed: programmed.promise }
  }

  /** Lets the drivers run: the desired state is complete now. */
  start(): void {
    this.#started = true
    this.#wake.resolve()
  }

  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#wake = Promise.withResolvers()
      this.#takeInbox()
      if (this.#started) await this.#applyAll()
      if (this.#inbox.length === 0) await this.#sleep()
    }
  }

  stop(): void {
    this.#stopping.abort()
    this.#wake.resolve()
  }

  #takeInbox(): void {
    const inbox = this.#inbox
    this.#inbox = []
    for (const submission of inbox) {
      try {
        submission.change()
      } catch (error) {
        this.#metrics.failed('change')
        this.#log.error({ err: error }, 'a change could not be made')
        submission.handled.reject(error)
        submission.programmed.reject(error)
        continue
      }
      submission.handled.resolve()
      this.#unprogrammed.push(submission)
    }
  }

  async #applyAll(): Promise<void> {
    const begin = performance.now()
    let failed = false
    let lastError: Error | undefined
    let criticalError: Error | undefined
    for (const driver of this.#drivers) {
      try {
        await driver.apply()
      } catch (error) {
        this.#metrics.failed(driver.name)
        failed = true
        this.#log.error({ driver: driver.name, err: error }, 'programming the kernel failed')
        if (!driver.critical) continue
        lastError = error instanceof Error ? error : new Error(String(error))
        if (error instanceof PartialFailure) continue
        criticalError = lastError
        break
      }
    }
    this.#lastError = lastError
    this.#blockedBy = criticalError
    this.#metrics.applied((performance.now() - begin) / 1000)
    this.#failures = !failed ? 0 : this.#failures + 1
    this.#criticalFailures = criticalError === undefined ? 0 : this.#criticalFailures + 1
    if (criticalError === undefined) {
      for (const submission of this.#unprogrammed.splice(0)) submission.programmed.resolve()
    } else if (this.#criticalFailures >= MAX_FAILURES) {
      this.#onFatal(criticalError)
    }
  }

  async #sleep(): Promise<void> {
    const waitMs =
      this.#failures === 0 ? this.#nextRunMs() : Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS)
    const cancel = new AbortController()
    const timer = delay(waitMs, undefined, { signal: cancel.signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error
    })
    await Promise.race([this.#wake.promise, timer])
    cancel.abort()
  }

  #nextRunMs(): number {
    const now = performance.now()
    const due = this.#drivers.map((driver) => driver.nextRun?.() ?? Number.POSITIVE_INFINITY)
    return Math.max(0, Math.min(...due, now + 60_000) - now)
  }
}

/** The loop has logged why; who wants to know awaits the promise itself. */
function isLogged(): void {}
