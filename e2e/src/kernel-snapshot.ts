import { runIn } from './run-program.ts'

/** One rule as the kernel has it, with what it has counted. */
export interface CountedRule {
  /** `table chain rule`, in order; IPv6 ones begin with `6`. */
  readonly text: string
  readonly packets: number
}

/** Every rule of a namespace, both families, in the kernel's order. */
export async function readRules(netns: string): Promise<CountedRule[]> {
  const families = (['iptables-save', 'ip6tables-save'] as const).map(async (program, index) => {
    const output = await runIn(netns, [program, '-c'])
    return parseSave(output, index === 0 ? '4' : '6')
  })
  const rules = (await Promise.all(families)).flat()
  if (!rules.some(({ text }) => text.includes('mgy-FORWARD'))) throw new Error(`no rules of Margay's in ${netns}`)
  return rules
}

function parseSave(output: string, family: '4' | '6'): CountedRule[] {
  let table = ''
  return output.split('\n').flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1)
    const rule = /^\[(\d+):\d+\] -A (.*)$/.exec(line)
    return rule === null ? [] : [{ text: `${family} ${table} ${rule[2]}`, packets: Number(rule[1]) }]
  })
}

/** @returns a line for each rule that is gone, is new, is at another place or counts less than before */
export function rewrittenRules(before: readonly CountedRule[], after: readonly CountedRule[]): string[] {
  const lost = before.flatMap(({ text, packets }, index) => {
    const now = after[index]
    if (now?.text !== text) return [`not at its place: ${text}`]
    return now.packets < packets ? [`counter fell from ${packets} to ${now.packets}: ${text}`] : []
  })
  return [...lost, ...after.slice(before.length).map(({ text }) => `new: ${text}`)]
}

/** Every IP set with its members, sorted. */
export async function readSets(netns: string): Promise<string[]> {
  return (await runIn(netns, ['ipset', 'save', '-sorted'])).trimEnd().split('\n')
}
