/** Wakes one waiting reader. A wake that finds nobody waiting is kept for the next wait; several are one. */
export class Signal {
  #raised = false
  #waiter: (() => void) | undefined

  raise(): void {
    this.#raised = true
    this.#waiter?.()
  }

  async wait(): Promise<void> {
    if (!this.#raised) {
      await new Promise<void>((resolve) => {
        this.#waiter = resolve
      })
      this.#waiter = undefined
    }
    this.#raised = false
  }
}
