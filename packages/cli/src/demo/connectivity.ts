import type { Kubectl } from './kubectl.ts'

export interface DemoPod {
  readonly namespace: string
  readonly name: string
  readonly ip: string
  /** Where it serves. */
  readonly port: number
}

/** From and to by pod name: whether a request to the port that it serves on comes through. */
export type Matrix = ReadonlyMap<string, ReadonlyMap<string, boolean>>

const TIMEOUT_SECONDS = 1

/** Has every pod fetch a page from every other, with `kubectl exec`. */
export async function measureMatrix(kubectl: Kubectl, pods: readonly DemoPod[]): Promise<Matrix> {
  const rows = pods.map(async (from) => {
    const cells = pods
      .filter((to) => to !== from)
      .map(async (to) => [to.name, await canFetch(kubectl, from, to)] as const)
    return [from.name, new Map(await Promise.all(cells))] as const
  })
  return new Map(await Promise.all(rows))
}

async function canFetch(kubectl: Kubectl, from: DemoPod, to: DemoPod): Promise<boolean> {
  const wget = [
    'wget',
    '--quiet',
    '--tries=1',
    `--timeout=${TIMEOUT_SECONDS}`,
    '--output-document=/dev/null',
    `http://${to.ip}:${to.port}/`,
  ]
  return kubectl.succeeds('exec', '--namespace', from.namespace, from.name, '--', ...wget)
}

/** The matrix as a table: rows send, columns receive. */
export function renderMatrix(matrix: Matrix): string {
  const names = [...matrix.keys()]
  const width = Math.max(...names.map(({ length }) => length), 'from \\ to'.length) + 2
  const line = (head: string, cells: readonly string[]): string =>
    `  ${head.padEnd(width)}${cells.map((cell) => cell.padEnd(width)).join('')}`.trimEnd()
  const cell = (from: string, to: string): string =>
    from === to ? '-' : matrix.get(from)?.get(to) === true ? 'yes' : 'no'
  return [
    line('from \\ to', names),
    ...names.map((from) =>
      line(
        from,
        names.map((to) => cell(from, to)),
      ),
    ),
  ].join('\n')
}

/** The cells that differ, as sentences. */
export function differences(actual: Matrix, expected: (from: string, to: string) => boolean): string[] {
  return [...actual].flatMap(([from, row]) =>
    [...row].flatMap(([to, allowed]) =>
      allowed === expected(from, to)
        ? []
        : [`${from} → ${to} is ${allowed ? 'open' : 'closed'}, and should be ${allowed ? 'closed' : 'open'}`],
    ),
  )
}
