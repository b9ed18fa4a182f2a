import type { AdjRibInView, AdjRibOutView, LocRibView, RouteAttributes, RouteTable } from 'bgp-js'
import type { RoutesPage } from './speaker-client.ts'
import { type Column, TextTable } from './text-table.ts'

const ORIGIN = { igp: 'i', egp: 'e', incomplete: '?' } as const
const ATTRIBUTES: readonly Column[] = [
  { head: 'NEXT HOP' },
  { head: 'LOCPREF', align: 'right' },
  { head: 'MED', align: 'right' },
  { head: 'AS PATH' },
]
const COLUMNS: Readonly<Record<RouteTable, readonly Column[]>> = {
  locRib: [{ head: '  ' }, { head: 'NETWORK' }, ...ATTRIBUTES, { head: 'FROM' }, { head: 'REASON' }],
  adjRibIn: [{ head: 'NETWORK' }, ...ATTRIBUTES, { head: 'FROM' }, { head: 'STATUS' }],
  adjRibOut: [{ head: 'NETWORK' }, ...ATTRIBUTES, { head: 'TO' }, { head: 'STATUS' }],
}

/** What the marks in front of LocRib's routes mean. */
export const LEGEND = '*> best, *= used beside it, * candidate; origin i igp, e egp, ? incomplete\n'

/** One of the tables as text, page after page. */
export class RoutesText {
  readonly #which: RouteTable
  readonly #table: TextTable

  constructor(which: RouteTable) {
    this.#which = which
    this.#table = new TextTable(COLUMNS[which])
  }

  render(page: RoutesPage): string {
    switch (this.#which) {
      case 'locRib':
        return this.#table.render(page.locRib.flatMap(locRibRows))
      case 'adjRibIn':
        return this.#table.render(page.adjRibIn.map(adjRibInRow))
      case 'adjRibOut':
        return this.#table.render(page.adjRibOut.map(adjRibOutRow))
      default:
        return this.#which satisfies never
    }
  }
}

/** `*>`, `*=` or `*`, as routers mark paths. */
export const markOf = ({ best, multipath }: { readonly best: boolean; readonly multipath: boolean }): string =>
  best ? '*>' : multipath ? '*=' : '* '

const locRibRows = ({ prefix, paths }: LocRibView): string[][] =>
  paths.map((path, index) => [
    markOf(path),
    index === 0 ? prefix : '',
    ...attributeCells(path.attributes),
    named(path.learnedFrom, path.pathId),
    path.reason,
  ])

const adjRibInRow = ({ peer, prefix, pathId, received, accepted, refused, stale }: AdjRibInView): string[] => [
  prefix,
  ...attributeCells(accepted ?? received),
  named(peer, pathId),
  [refused === undefined ? 'accepted' : `refused: ${refused}`, ...(stale ? ['stale'] : [])].join(', '),
]

const adjRibOutRow = ({ peer, prefix, pathId, attributes, notAnnounced }: AdjRibOutView): string[] => [
  prefix,
  ...(attributes === undefined ? ['', '', '', ''] : attributeCells(attributes)),
  named(peer, pathId),
  notAnnounced === undefined ? 'advertised' : `not advertised: ${notAnnounced}`,
]

const named = (peer: string, pathId: number | undefined): string => (pathId === undefined ? peer : `${peer} #${pathId}`)

function attributeCells({ nextHop, localPref, med, asPath, origin }: RouteAttributes): string[] {
  return [nextHop, numberText(localPref), numberText(med), `${asPath} ${ORIGIN[origin]}`.trim()]
}

const numberText = (value: number | undefined): string => (value === undefined ? '' : String(value))
