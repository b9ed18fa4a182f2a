import { expect, test } from 'vitest'
import { ServiceAccountTokens } from '../../src/auth/tokens.ts'
import { Store } from '../../src/store/store.ts'

function setUp(): { store: Store; tokens: ServiceAccountTokens; clock: { now: number }; token: string } {
  const store = new Store({ historyLength: 10 })
  const clock = { now: 1_767_225_600_000 }
  const tokens = new ServiceAccountTokens(store, () => clock.now)
  const account = store.put('serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'bot', namespace: 'team', uid: 'u1' },
  })
  return { store, tokens, clock, token: tokens.issue(account, 600, []).token }
}

test('a token stands for its account until it expires', () => {
  const { tokens, clock, token } = setUp()
  expect(tokens.verify(token)).toEqual({
    username: 'system:serviceaccount:team:bot',
    uid: 'u1',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:team', 'system:authenticated'],
  })
  clock.now += 600_000
  expect(tokens.verify(token)).toBeUndefined()
})

test('a token dies with its account, also when another one takes the name', () => {
  const { store, tokens, token } = setUp()
  store.remove('serviceaccounts', 'team', 'bot')
  expect(tokens.verify(token)).toBeUndefined()
  store.put('serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'bot', namespace: 'team', uid: 'u2' },
  })
  expect(tokens.verify(token)).toBeUndefined()
})

test('a token that was tampered with, or signed elsewhere, is nothing', () => {
  const { tokens, token } = setUp()
  const [head, body, signature] = token.split('.')
  const forged = Buffer.from(
    JSON.stringify({ ...JSON.parse(Buffer.from(body ?? '', 'base64url').toString()), exp: 9e12 }),
  ).toString('base64url')
  for (const text of [
    `${head}.${forged}.${signature}`,
    `${head}.${body}.`,
    `${head}.${body}`,
    '',
    '..',
    `${token}.x`,
    setUp().token,
  ]) {
    expect(tokens.verify(text)).toBeUndefined()
  }
})
