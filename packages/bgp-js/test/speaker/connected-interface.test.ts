import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { connectedInterface } from '../../src/speaker/connected-interface.ts'
import { ManualClock } from './manual-clock.ts'

const loopback = Object.entries(networkInterfaces()).find(([, list]) => list?.some(({ internal }) => internal))?.[0]

test('the interface in whose network a next hop is', () => {
  const interfaceOf = connectedInterface(new ManualClock())
  expect(loopback).toBeTypeOf('string')
  expect(interfaceOf('127.0.0.77')).toBe(loopback)
  expect(interfaceOf('203.0.113.77')).toBe(undefined)
  expect(interfaceOf('fe80::1')).toBe(undefined)
  expect(interfaceOf('nonsense')).toBe(undefined)
})
