import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { UserInfo } from '../api/admission.ts'
import type { ServiceAccountTokens } from './tokens.ts'

const AUTHENTICATED = 'system:authenticated'

/** Finds out who asks: by bearer token (static, or a service account's) or by TLS client certificate. */
export class Authenticator {
  readonly #static: ReadonlyMap<string, UserInfo>
  readonly #accounts: ServiceAccountTokens

  constructor(tokens: Record<string, UserInfo>, accounts: ServiceAccountTokens) {
    this.#static = new Map(Object.entries(tokens))
    this.#accounts = accounts
  }

  /** The user, or undefined for nobody that is known. */
  authenticate(request: IncomingMessage): UserInfo | undefined {
    const token = /^Bearer\s+(\S+)\s*$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token !== undefined) return this.userOfToken(token)
    return userOfCertificate(request)
  }

  userOfToken(token: string): UserInfo | undefined {
    const user = this.#static.get(token) ?? this.#accounts.verify(token)
    return user === undefined ? undefined : { ...user, groups: [...new Set([...user.groups, AUTHENTICATED])] }
  }
}

/** Common name and organizations of a verified client certificate. */
function userOfCertificate({ socket }: IncomingMessage): UserInfo | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject } = socket.getPeerCertificate()
  // A certificate may have several; the type of Node's declaration knows of one.
  const name = subject?.CN ?? ''
  const username = Array.isArray(name) ? (name[0] ?? '') : name
  if (username === '') return undefined
  const organizations = subject.O ?? []
  return { username, groups: [...new Set([organizations, AUTHENTICATED].flat())] }
}
