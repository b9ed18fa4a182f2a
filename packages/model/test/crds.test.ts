import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { crdFile } from '../crds/generate.ts'
import { KINDS } from '../crds/kinds.ts'

const directory = join(import.meta.dirname, '../../../charts/margay/crds')

test.for(KINDS.map((kind) => [kind.kind, kind] as const))(
  'the chart holds the CRD of %s as it is generated',
  ([, kind]) => {
    const { name, text } = crdFile(kind)
    expect(readFileSync(join(directory, name), 'utf8')).toBe(text)
  },
)

test('the chart holds no other CRD', () => {
  expect(readdirSync(directory).toSorted()).toEqual(KINDS.map((kind) => crdFile(kind).name).toSorted())
})
