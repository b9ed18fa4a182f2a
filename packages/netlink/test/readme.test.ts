import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the README lists exactly the error codes that are not the kernel’s', () => {
  const source = new URL('../src/', import.meta.url)
  const text = readdirSync(source).map((name) => readFileSync(new URL(name, source), 'utf8'))
  const thrown = new Set([...text.join('\n').matchAll(/'(NETLINK_[A-Z_]+)'/g)].map((match) => match[1] ?? ''))
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const listed = [...readme.matchAll(/^\| `(NETLINK_[A-Z_]+)` *\|/gm)].map((match) => match[1])
  expect(listed.length).toBeGreaterThan(3)
  expect(new Set(listed)).toEqual(thrown)
})
