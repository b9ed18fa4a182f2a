/** A piece of work done in slices. `run` does a little and says whether there is more. */
export interface SlicedTask {
  run(): boolean
}

/** How long slices may hold the event loop before timers and sockets get their turn. */
const BUDGET_MS = 5

/**
 * Runs tasks in turns, a few milliseconds at a time, so that a peer with a million routes delays neither the keepalives
 * nor the routes of the others.
 */
export class WorkLoop {
  #queue: SlicedTask[] = []
  readonly #queued = new Set<SlicedTask>()
  #scheduled = false
  readonly #onError: (error: unknown) => void

  /** @param onError gets what a task throws; the task is dropped */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  /** Queues `task` unless it waits already. */
  schedule(task: SlicedTask): void {
    if (this.#queued.has(task)) return
    this.#queued.add(task)
    this.#queue.push(task)
    this.#wake()
  }

  /** Runs a short task at once when nobody waits, queues it otherwise. */
  runNow(task: SlicedTask): void {
    if (this.#queue.length > 0 || this.#scheduled) this.schedule(task)
    else if (this.#runOne(task)) this.schedule(task)
  }

  #wake(): void {
    if (this.#scheduled || this.#queue.length === 0) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    const started = performance.now()
    let at = 0
    const queue = this.#queue
    do {
      const task = queue[at++]
      if (task === undefined) break
      this.#queued.delete(task)
      if (this.#runOne(task) && !this.#queued.has(task)) {
        this.#queued.add(task)
        queue.push(task)
      }
    } while (performance.now() - started < BUDGET_MS)
    this.#queue = queue.slice(at)
    this.#wake()
  }

  #runOne(task: SlicedTask): boolean {
    try {
      return task.run()
    } catch (error) {
      this.#onError(error)
      return false
    }
  }
}
