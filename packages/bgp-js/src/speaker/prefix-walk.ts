import type { FamilyRib } from '../rib/loc-rib.ts'
import type { WorkLoop } from './work-loop.ts'

const SLICE = 500

/** Visits every prefix that has paths, in slices. */
export function walkPrefixes(
  rib: FamilyRib,
  work: WorkLoop,
  visit: (prefix: number) => void,
  onDone: () => void = () => undefined,
): void {
  let next = 1
  work.schedule({
    run: () => {
      const end = Math.min(next + SLICE, rib.prefixes.end)
      for (; next < end; next++) if (rib.firstPath(next) !== 0) visit(next)
      if (next < rib.prefixes.end) return true
      onDone()
      return false
    },
  })
}
