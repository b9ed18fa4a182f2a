import { join } from 'node:path'

/** The compiled plugin; `scripts/setup.sh` builds it. */
export const CNI_PLUGIN_PATH = join(import.meta.dirname, '../build/margay-cni')
