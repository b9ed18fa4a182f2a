import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { runProgram } from './run-program.ts'

const ROOT = join(import.meta.dirname, '../..')
const HELM = join(ROOT, 'node_modules/.cache/margay/bin/helm')
export const CHART = join(ROOT, 'charts/margay')
const KIND_CONFIGS = join(ROOT, 'kind-configs')

export interface ChartValues {
  readonly ipPools: readonly { readonly cidr: string }[]
  readonly agent: { readonly capabilities: readonly string[] }
}

export interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly data?: Readonly<Record<string, string>>
}

interface KindCluster {
  readonly nodes: readonly { readonly role: string }[]
  readonly networking: { readonly disableDefaultCNI: boolean; readonly podSubnet: string; readonly ipFamily?: string }
}

/** Runs the real helm. @returns its stdout @throws {ProgramError} */
export async function helm(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  return runProgram([HELM, ...args], { env })
}

/** The chart as YAML, CRDs included. @param options more options of `helm template` */
export async function renderChart(options: readonly string[] = []): Promise<string> {
  return helm(['template', 'margay', CHART, '--namespace', 'kube-system', '--include-crds', ...options])
}

export function manifestsOf(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).map((document) => document.toJS() as Manifest)
}

/** @throws when there is none */
export function manifestOf(yaml: string, kind: string, name: string): Manifest {
  const manifest = manifestsOf(yaml).find((each) => each.kind === kind && each.metadata.name === name)
  if (manifest === undefined) throw new Error(`the chart has no ${kind} ${name}`)
  return manifest
}

export function chartValues(file = join(CHART, 'values.yaml')): ChartValues {
  return parse(readFileSync(file, 'utf8')) as ChartValues
}

export function kindCluster(file: string): KindCluster {
  return parse(readFileSync(join(KIND_CONFIGS, file), 'utf8')) as KindCluster
}

export const DUAL_STACK_VALUES = join(KIND_CONFIGS, 'dual-stack.values.yaml')
