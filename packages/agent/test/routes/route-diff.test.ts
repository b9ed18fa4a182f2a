import { Address, Prefix } from '@margay/net'
import type { Route } from '@margay/netlink'
import { expect, test } from 'vitest'
import { diffRoutes, routeKey } from '../../src/routes/route-diff.ts'

const unicast = (dst: string, rest: Partial<Route>): Route => ({ dst: Prefix.parse(dst), priority: 1024, ...rest })
const blackhole = (dst: string, rest: Partial<Route> = {}): Route => unicast(dst, { type: 'blackhole', ...rest })
const via = (gateway: string): Partial<Route> => ({ gateway: Address.parse(gateway) })
const table = (...routes: Route[]): Map<string, Route> => new Map(routes.map((route) => [routeKey(route), route]))

test.for<[string, Route, Route]>([
  ['a blackhole that the kernel put on its loopback', blackhole('fd00::/122'), blackhole('fd00::/122', { oif: 1 })],
  [
    "a gateway's interface",
    unicast('10.0.0.0/26', via('192.0.2.1')),
    unicast('10.0.0.0/26', { ...via('192.0.2.1'), oif: 2 }),
  ],
  ['a type that is not named', unicast('10.0.0.1/32', { oif: 3 }), unicast('10.0.0.1/32', { oif: 3, type: 'unicast' })],
])('%s is no difference', ([, desired, actual]) => {
  expect(diffRoutes(table(desired), table(actual), false)).toEqual([])
})

test.for<[string, Route, Route]>([
  ['another type', blackhole('10.0.0.0/26'), unicast('10.0.0.0/26', via('192.0.2.1'))],
  ['another interface', unicast('10.0.0.1/32', { oif: 3 }), unicast('10.0.0.1/32', { oif: 4 })],
  ['another gateway', unicast('10.0.0.0/26', via('192.0.2.1')), unicast('10.0.0.0/26', via('192.0.2.2'))],
])('%s is replaced', ([, desired, actual]) => {
  expect(diffRoutes(table(desired), table(actual), false)).toEqual([{ op: 'replace', route: desired }])
})

test('what nobody wants goes after what is new, and a learned route not before its time', () => {
  const [learned, own, wanted] = [
    unicast('10.0.1.0/26', via('192.0.2.1')),
    blackhole('10.0.2.0/26'),
    blackhole('10.0.3.0/26'),
  ]
  const changes = [
    { op: 'replace', route: wanted },
    { op: 'delete', route: own },
  ]
  expect(diffRoutes(table(wanted), table(learned, own), true)).toEqual(changes)
  expect(diffRoutes(table(wanted), table(learned, own), false)).toEqual([
    changes[0],
    { op: 'delete', route: learned },
    changes[1],
  ])
})
