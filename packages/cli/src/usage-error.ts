/** Called with words that mean nothing: exit status 2. */
export class UsageError extends Error {}
