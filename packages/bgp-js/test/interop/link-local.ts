import { execFileSync } from 'node:child_process'
import { eventually } from './eventually.ts'

interface ShownInterface {
  /** With an empty one for each address of another scope. */
  readonly addr_info: readonly { readonly local?: string; readonly tentative?: boolean }[]
}

/** The link-local address of an interface, without its zone, once the kernel lets it be used. */
export async function linkLocalOf(namespace: string, device: string): Promise<string> {
  return eventually(`a link-local address on ${device}`, async () => {
    const args = ['-n', namespace, '-j', '-6', 'addr', 'show', 'dev', device, 'scope', 'link']
    const [shown] = JSON.parse(execFileSync('ip', args, { encoding: 'utf8' })) as ShownInterface[]
    return shown?.addr_info.find(({ local, tentative }) => local !== undefined && tentative !== true)?.local
  })
}
