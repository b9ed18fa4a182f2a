/** Writes the chart's CRDs: `node packages/model/crds/generate.ts`. A test holds the chart to them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { KINDS } from './kinds.ts'
import { customResourceDefinition, type Kind } from './schema.ts'

const HEADER = '# Made by packages/model/crds/generate.ts from kinds.ts: change it there.\n'

/** File name and text of a kind's CRD. */
export function crdFile(kind: Kind): { name: string; text: string } {
  return {
    name: `projectcalico.org_${kind.plural}.yaml`,
    text: HEADER + stringify(customResourceDefinition(kind), { lineWidth: 120, aliasDuplicateObjects: false }),
  }
}

if (import.meta.main) {
  const directory = join(import.meta.dirname, '../../../charts/margay/crds')
  for (const kind of KINDS) {
    const { name, text } = crdFile(kind)
    writeFileSync(join(directory, name), text)
  }
}
