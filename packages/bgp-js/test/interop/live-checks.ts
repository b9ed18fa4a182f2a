import { expect } from 'vitest'
import type { AdjRibInView, PeerStatus } from '../../src/index.ts'
import type { CapabilityName } from '../../src/wire/capabilities/capability.ts'
import { THEIR_LIMIT } from './dialects.ts'
import type { ExaBgp } from './exabgp.ts'
import {
  type LiveSession,
  LONG_OF_OURS,
  LONG_THROUGH_THEM,
  MANY_COMMUNITIES,
  OUR_PREFIX,
  THEIR_PREFIX,
  THROUGH_THEM,
  THROUGH_US,
} from './live-session.ts'

/** A check on a session that is up, and leaves it so. */
export type LiveCheck = (live: LiveSession) => Promise<void>

const offered = async (live: LiveSession): Promise<readonly string[]> =>
  (await live.status()).capabilities.remote.map((capability) => capability.name)

/** That a daemon does not offer a capability is why it can't be checked for more. */
export const lacks =
  (capability: CapabilityName): LiveCheck =>
  async (live) => {
    expect(await offered(live)).not.toContain(capability)
  }

/** Paths of a prefix that came from the daemon. */
async function received(live: LiveSession, prefix: string, atLeast = 1): Promise<readonly AdjRibInView[]> {
  return live.until(`${atLeast} paths of ${prefix} are here`, async () => {
    const { adjRibIn } = await live.speaker.routes({ prefix })
    const paths = adjRibIn.filter((view) => view.peer === live.link.theirs.ipv4)
    return paths.length >= atLeast && paths
  })
}

export const addPathToThem: LiveCheck = async (live) => {
  await live.shown(OUR_PREFIX, /\b65002\b(?![ ,]65003)/)
  await live.shown(OUR_PREFIX, /\b65002[ ,]65003\b/)
}

export const addPathFromThem: LiveCheck = async (live) => {
  if (live.name === 'ExaBGP') {
    const more = 'as-path [65001 65003] path-information 0.0.0.9'
    ;(live.dialect.daemon as ExaBgp).command(`announce route ${THEIR_PREFIX} next-hop 10.9.1.1 ${more}`)
  }
  const paths = await received(live, THEIR_PREFIX, 2)
  expect(paths.map((path) => path.received.asPath).toSorted()).toEqual(['65001', '65001 65003'])
  expect(new Set(paths.map((path) => path.pathId)).size).toBe(2)
}

export const communitiesThroughUs: LiveCheck = async (live) => {
  const shown = await live.shown(THROUGH_US, /65002/)
  for (const mark of [/65003[:,]1\b/, /65003[:,]2\b/, /65003[:,] ?2[:,] ?3\b/]) expect(shown).toMatch(mark)
}

export const communitiesThroughThem: LiveCheck = async (live) => {
  const [path] = await received(live, THROUGH_THEM)
  expect(path?.received).toMatchObject({
    communities: ['65003:1', '65003:2'],
    largeCommunities: ['65003:2:3'],
    extendedCommunities: ['0002fdeb00000009'],
  })
}

export const unknownThroughThem: LiveCheck = async (live) => {
  const [path] = await received(live, THROUGH_THEM)
  expect(path?.received.opaque).toContainEqual({ code: 0x63, flags: 0xe0, value: '01020304' })
}

/** As the daemon itself shows it. */
export const unknownThroughUs: LiveCheck = async (live) => {
  const patterns = {
    // Partial is not shown.
    BIRD: /BGP\.63 \[t\]: 01 02 03 04/,
    GoBGP: /Flags: PARTIAL\|TRANSITIVE\|OPTIONAL, Type: BGPAttrType\(99\), Value: \[1 2 3 4\]/,
    ExaBGP: /"attribute-0x63-0xE0":"0x01020304"/,
    OpenBGPD: /#99 flags \[OTP\]: +len 4: 01 02 03 04/,
  }
  if (live.name === 'FRR') throw new Error('shows no unknown attribute')
  await live.shown(THROUGH_US, patterns[live.name])
}

/** FRR does not show it, but passes it on. */
export const unknownThroughUsAndThem: LiveCheck = async (live) => {
  const path = await live.until('it is back at its sender', async () =>
    live.third.paths(THROUGH_US).find((item) => 'from' in item && item.from === live.link.theirs.ipv4),
  )
  expect(path).toMatchObject({ 'attribute-0x63-0xE0': '0x01020304' })
}

export const weAskForRefresh: LiveCheck = async (live) => {
  const before = (await live.status()).messages.in
  await live.speaker.refresh(live.link.theirs.ipv4)
  await live.until('sent again', async () => (await live.status()).messages.in.update > before.update)
  expect((await live.status()).state).toBe('Established')
}

export const enhancedRefresh: LiveCheck = async (live) => {
  expect(await offered(live)).toContain('enhancedRefresh')
  const learned = await live.speaker.learned()
  const before = (await live.status()).messages.in
  await live.speaker.refresh(live.link.theirs.ipv4)
  // The beginning and the end of each of two families.
  await live.until('marks', async () => (await live.status()).messages.in.routeRefresh >= before.routeRefresh + 4)
  expect(await live.speaker.learned()).toEqual(learned)
}

export const theyAskForRefresh: LiveCheck = async (live) => {
  const before = (await live.status()).messages
  await live.dialect.refresh()
  await live.until('asked', async () => (await live.status()).messages.in.routeRefresh > before.in.routeRefresh)
  await live.until('sent again', async () => (await live.status()).messages.out.update > before.out.update)
  await live.shown(OUR_PREFIX, /65002/)
}

export const longFromThem: LiveCheck = async (live) => {
  if (live.name === 'ExaBGP') {
    const more = `community [${MANY_COMMUNITIES.join(' ')}]`
    ;(live.dialect.daemon as ExaBgp).command(`announce route ${LONG_THROUGH_THEM} next-hop 10.9.1.1 ${more}`)
  }
  const [path] = await received(live, LONG_THROUGH_THEM)
  expect(path?.received.communities).toEqual(MANY_COMMUNITIES)
}

export const longFromUs: LiveCheck = async (live) => {
  await live.speaker.originate(LONG_OF_OURS, { communities: MANY_COMMUNITIES })
  const count = (text: string): number => new Set(text.match(/65003[:,]\d+/g)).size
  if (live.name === 'FRR') {
    // It shows the first 800 or so, and passes on all.
    await live.until('all are passed on', async () =>
      live.third.paths(LONG_OF_OURS).some((path) => count(JSON.stringify(path)) === MANY_COMMUNITIES.length),
    )
  } else expect(count(await live.shown(LONG_OF_OURS, /65002/))).toBe(MANY_COMMUNITIES.length)
  await live.speaker.withdraw(LONG_OF_OURS)
}

export const roles: LiveCheck = async (live) => {
  const { capabilities, state } = await live.status()
  expect(capabilities.remote).toContainEqual({ name: 'role', value: 4 })
  expect(state).toBe('Established')
}

export const longLivedOffered: LiveCheck = async (live) => {
  expect(await offered(live)).toContain('longLivedGracefulRestart')
}

export const drained: LiveCheck = async (live) => {
  const mark = /65535[:,]0\b|graceful.?shutdown|planned-shut/i
  await live.speaker.drain(true)
  await live.shown(OUR_PREFIX, mark)
  await live.speaker.drain(false)
  await live.until('no mark', async () => !mark.test(await live.dialect.daemon.route(OUR_PREFIX)))
}

export const privateAsRemoved: LiveCheck = async (live) => {
  await live.shown(THROUGH_US, /65002[ ,]65003/)
  await live.speaker.updatePeer(live.peer({ removePrivateAs: 'all' }))
  await live.until('it is out', async () => {
    const shown = await live.dialect.daemon.route(THROUGH_US)
    return /65002/.test(shown) && !/65002[ ,]65003/.test(shown)
  })
  await live.speaker.updatePeer(live.peer())
  await live.shown(THROUGH_US, /65002[ ,]65003/)
}

export const theirShutdownText: LiveCheck = async (live) => {
  await live.dialect.shutdown('until-monday')
  await live.until('down', async () => (await live.status()).state !== 'Established')
  expect((await live.status()).lastError).toMatchObject({ direction: 'received', code: 6 })
  // FRR says it inside of a Hard Reset (RFC 8538), as we both have graceful restart.
  expect((await live.status()).lastError?.name).toMatch(/Administrative Shutdown/)
  expect(JSON.stringify((await live.status()).lastError)).toContain('until-monday')
  await live.recover()
}

const ceased = ({ lastError }: PeerStatus, direction: 'sent' | 'received'): boolean =>
  lastError?.direction === direction && lastError.name.includes('Maximum Number of Prefixes')

export const ourLimit: LiveCheck = async (live) => {
  await live.speaker.updatePeer(live.peer({ maxPrefixes: { ipv4: { limit: 1, restartAfterSeconds: 1 } } }))
  await live.speaker.refresh(live.link.theirs.ipv4)
  await live.until('Cease/1 sent', async () => ceased(await live.status(), 'sent'))
  await live.speaker.updatePeer(live.peer())
  await live.recover()
}

export const theirLimit: LiveCheck = async (live) => {
  const prefixes = Array.from({ length: THEIR_LIMIT + 1 }, (_, index) => `10.70.${index}.0/24`)
  const [safe, last] = [prefixes.slice(0, -8), prefixes.slice(-8)]
  for (const prefix of safe) await live.speaker.originate(prefix)
  // One by one: to a peer that has closed already, we would write into a reset, and its NOTIFICATION be lost.
  for (const prefix of last) {
    await live.speaker.originate(prefix)
    await live.until('taken or refused', async () => {
      if ((await live.status()).state !== 'Established') return true
      return (await live.dialect.daemon.route(prefix)) !== ''
    })
    if ((await live.status()).state !== 'Established') break
  }
  await live.until('Cease/1 received', async () => ceased(await live.status(), 'received'))
  for (const prefix of prefixes) await live.speaker.withdraw(prefix)
  await live.recover()
}

/** The last one: our speaker is gone after it. */
export const ourShutdownText: LiveCheck = async (live) => {
  await live.speaker.stop('back-at-noon')
  await live.until('it says so', async () => live.dialect.heard().includes('back-at-noon'))
}
