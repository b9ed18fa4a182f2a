/** What the main thread tells the reader thread. */
export type ReaderCommand =
  | { readonly do: 'add'; readonly id: number; readonly fd: number; readonly outstanding: Int32Array }
  | { readonly do: 'remove'; readonly id: number }
  | { readonly do: 'stop' }

/** What the reader thread tells the main thread. */
export type ReaderReport =
  /** Datagrams one after the other in `bytes`. */
  | { readonly kind: 'datagrams'; readonly id: number; readonly bytes: Uint8Array; readonly lengths: readonly number[] }
  /** The kernel had to drop messages: the socket's buffer was full. */
  | { readonly kind: 'overrun'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly errno: number }
  | { readonly kind: 'removed'; readonly id: number }

/** Octets that may wait for the main thread per socket before the reader leaves the rest to the kernel's buffer. */
export const OUTSTANDING_LIMIT = 8 * 1024 * 1024
