import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

test('README lists exactly the codes of errors', () => {
  const source = readFileSync(join(root, 'src', 'errors.ts'), 'utf8')
  const union = /export type StatusReason =\n((?: {2}\| '\w+'\n)+)/.exec(source)?.[1] ?? ''
  const codes = [...union.matchAll(/'(\w+)'/g)].map((match) => match[1])
  const section = /\nCodes: ([^#]*?)\.\n/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''
  expect([...section.matchAll(/`(\w+)`/g)].map((match) => match[1])).toEqual(codes)
})
