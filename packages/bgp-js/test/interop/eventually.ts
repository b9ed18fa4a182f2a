/**
 * Calls `probe` until it answers something other than undefined and false. For what other programs do in their own time.
 * @throws with `what` and the last thing `describe` says when that takes too long
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  options: { timeoutMs?: number; describe?: () => Promise<unknown> } = {},
): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 30_000)
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- polling
    const result = await probe()
    if (result !== undefined && result !== false) return result
    if (performance.now() > deadline) {
      // oxlint-disable-next-line no-await-in-loop -- once
      const state = await options.describe?.()
      throw new Error(
        `not in time: ${what}\n${typeof state === 'string' ? state : JSON.stringify(state, undefined, 1)}`,
      )
    }
    // oxlint-disable-next-line no-await-in-loop -- polling
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
