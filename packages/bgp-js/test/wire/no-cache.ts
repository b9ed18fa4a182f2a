import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import type { AttributeCache } from '../../src/wire/resolve-update.ts'

/** Remembers nothing. */
export const NO_CACHE: AttributeCache<PathAttributes> = { find: () => undefined, add: (attributes) => attributes }
