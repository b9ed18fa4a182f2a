import { expect, test } from 'vitest'
import { parseAgentConfig } from '../src/config.ts'

test('defaults, and a frozen answer', () => {
  const config = parseAgentConfig({ MARGAY_NODE_NAME: 'node1' })
  expect(config).toMatchObject({ nodeName: 'node1', httpHost: '127.0.0.1', httpPort: 9099, mtu: 0, hub: undefined })
  expect(Object.isFrozen(config)).toBe(true)
})

test('names every variable that is wrong, all at once', () => {
  const wrong = {
    MARGAY_NODE_NAME: 'Not A Node',
    MARGAY_HTTP_PORT: '65536',
    MARGAY_MTU: '1e3',
    MARGAY_LOG_LEVEL: 'loud',
    MARGAY_HUB: 'nowhere',
    MARGAY_HUB_KEY_FILE: '/no/such/file',
  }
  for (const name of [...Object.keys(wrong), 'MARGAY_HUB_CERT_FILE', 'MARGAY_HUB_CA_FILE'])
    expect(() => parseAgentConfig(wrong)).toThrow(name)
})

test.for(['hub:0', 'hub:70000', 'hub', ':5473', 'hub:5473:5473x'])('the hub %s is no address', (MARGAY_HUB) => {
  expect(() => parseAgentConfig({ MARGAY_NODE_NAME: 'x', MARGAY_HUB })).toThrow(/MARGAY_HUB must/)
})
