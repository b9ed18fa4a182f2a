import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { UserInfo } from '../api/admission.ts'
import { isObject, type KubeObject, objectAt, stringAt } from '../object.ts'
import type { Store } from '../store/store.ts'

const ISSUER = 'https://kubernetes.default.svc'

/** Issues and checks tokens of service accounts: JSON web tokens signed with a key that lives as long as the server. */
export class ServiceAccountTokens {
  readonly #key = randomBytes(32)
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  issue(account: KubeObject, expirationSeconds: number, audiences: string[]): { token: string; expires: number } {
    const { namespace = '', name, uid = '' } = account.metadata
    const issuedAt = Math.floor(this.#now() / 1000)
    const expires = issuedAt + expirationSeconds
    const claims = {
      iss: ISSUER,
      aud: audiences.length === 0 ? [ISSUER] : audiences,
      sub: `system:serviceaccount:${namespace}:${name}`,
      jti: randomUUID(),
      iat: issuedAt,
      nbf: issuedAt,
      exp: expires,
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
    }
    const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
    return { token: `${content}.${this.#sign(content)}`, expires: expires * 1000 }
  }

  /** The account that holds `token`; undefined when the token is not ours, expired, or its account is gone. */
  verify(token: string): UserInfo | undefined {
    const [head = '', body = '', signature = '', ...rest] = token.split('.')
    if (rest.length > 0 || !isEqual(signature, this.#sign(`${head}.${body}`))) return undefined
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as unknown
    if (!isObject(claims) || Number(claims['exp']) * 1000 <= this.#now()) return undefined
    const bound = objectAt(claims, 'kubernetes.io')
    const [namespace, account] = [stringAt(bound, 'namespace'), objectAt(bound, 'serviceaccount')]
    const found = this.#store.get('serviceaccounts', namespace, stringAt(account, 'name'))
    if (found === undefined || found.metadata.uid !== account['uid']) return undefined
    return {
      username: stringAt(claims, 'sub'),
      uid: stringAt(account, 'uid'),
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    }
  }

  #sign(content: string): string {
    return createHmac('sha256', this.#key).update(content).digest('base64url')
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
