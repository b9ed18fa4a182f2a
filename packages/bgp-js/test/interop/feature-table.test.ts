import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { featureTable } from './feature-table.ts'

test('README has the table of features and daemons', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(featureTable())
})
