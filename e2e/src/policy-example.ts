import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Protocol } from '@margay/model'
import { parse } from 'yaml'
import type { Expectation } from './expectations.ts'

const DIRECTORY = join(import.meta.dirname, '../../policy-examples')

/** A policy of policy-examples/, with what its test needs (policy-examples/README.md). */
export interface PolicyExample {
  readonly name: string
  /** The policy's file. */
  readonly file: string
  readonly text: string
  /** Namespaces and pods, as YAML. */
  readonly workloads: string
  /** Where the policy is applied. */
  readonly namespaces: readonly string[]
  /** The IP versions that the example is about; default: both. */
  readonly families?: readonly number[]
  readonly probes: readonly ExampleProbe[]
}

export interface ExampleProbe {
  /** `namespace/pod`, or a host outside the cluster. */
  readonly from: string
  /** Or an address. */
  readonly to: string
  readonly protocol: Protocol
  readonly port: number
  readonly allow: boolean
}

/** Where an end of a probe is: its namespace, and its addresses. */
export interface ProbeEnd {
  readonly netns: string
  readonly addresses: readonly string[]
}

/** @throws when an example has no workloads or expectations */
export function readPolicyExamples(): PolicyExample[] {
  const files = readdirSync(DIRECTORY).filter((file) => file.endsWith('.yaml'))
  return files.toSorted().map((file) => {
    const name = basename(file, '.yaml')
    const read = (path: string): string => readFileSync(join(DIRECTORY, path), 'utf8')
    const expectations = parse(read(`tests/${name}/expectations.yaml`)) as Pick<
      PolicyExample,
      'namespaces' | 'families' | 'probes'
    >
    return {
      name,
      file: join(DIRECTORY, file),
      text: read(file),
      workloads: read(`tests/${name}/workloads.yaml`),
      ...expectations,
    }
  })
}

/** Test folders that belong to no example. */
export function strayTests(): string[] {
  return readdirSync(join(DIRECTORY, 'tests')).filter((name) => !existsSync(join(DIRECTORY, `${name}.yaml`)))
}

/**
 * The probes of an example, one for each IP version that both ends have.
 * @param endOf where an end is; an address is found at the host that has it
 * @param policed false: no policy is there, and everything passes
 */
export function expectationsOf(
  { name, families = [4, 6], probes }: PolicyExample,
  endOf: (end: string) => ProbeEnd,
  policed: boolean,
): Expectation[] {
  return probes.flatMap(({ from, to, protocol, port, allow }) =>
    endOf(to)
      .addresses.filter((address) => families.includes(address.includes(':') ? 6 : 4))
      .map((address) => ({
        probe: { netns: endOf(from).netns, protocol, address, port },
        allowed: allow || !policed,
        label: `${name}: ${from} to ${to}`,
      })),
  )
}
