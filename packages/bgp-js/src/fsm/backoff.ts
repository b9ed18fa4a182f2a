/** Exponential backoff with jitter: `firstMs`, twice that, and so on up to `capMs`, each times 0.75 to 1. */
export function backoffMs(failures: number, limits: { firstMs: number; capMs: number }, random: number): number {
  const exponent = Math.min(Math.max(failures - 1, 0), 20)
  return jittered(Math.min(limits.firstMs * 2 ** exponent, limits.capMs), random)
}

/** RFC 4271 §10: timers run between 75 % and 100 % of their value. @param random 0 up to 1 */
export const jittered = (valueMs: number, random: number): number => valueMs * (0.75 + 0.25 * random)
