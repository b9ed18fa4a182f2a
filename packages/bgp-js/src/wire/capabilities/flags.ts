import { defineCapability } from './capability.ts'

/** Route Refresh, RFC 2918 §2. */
export const routeRefresh = defineCapability({
  code: 2,
  name: 'routeRefresh',
  decode: () => ({ name: 'routeRefresh' }),
  encode: () => undefined,
})

/** BGP Extended Message, RFC 8654 §3. */
export const extendedMessages = defineCapability({
  code: 6,
  name: 'extendedMessages',
  decode: () => ({ name: 'extendedMessages' }),
  encode: () => undefined,
})

/** Enhanced Route Refresh, RFC 7313 §3.1. */
export const enhancedRefresh = defineCapability({
  code: 70,
  name: 'enhancedRefresh',
  decode: () => ({ name: 'enhancedRefresh' }),
  encode: () => undefined,
})
