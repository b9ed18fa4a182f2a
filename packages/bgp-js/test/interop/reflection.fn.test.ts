import { expect, test } from 'vitest'
import { Bird } from './bird.ts'
import type { DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { ExaBgp } from './exabgp.ts'
import { Frr } from './frr.ts'
import { GoBgp } from './gobgp.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { OpenBgpd } from './openbgpd.ts'
import { SpeakerChild } from './speaker-child.ts'

const ASN = 65_001
const CLUSTER_ID = '192.0.2.200'

const setup = (n: number): DaemonSetup => ({
  asn: ASN,
  ourAsn: ASN,
  routerId: `192.0.2.${n}`,
  networks: [`10.6${n}.0.0/24`, `fd6${n}::/48`],
})

test('BIRD, FRR, GoBGP, ExaBGP and OpenBGPD are clients of our route reflector and learn from each other', async () => {
  using star = new NamespaceStar(5)
  const [a, b, c, d, e] = star.links as [Link, Link, Link, Link, Link]
  await using bird = new Bird(a, setup(1))
  await using frr = new Frr(b, setup(2))
  await using gobgp = new GoBgp(c, setup(3))
  await using exabgp = new ExaBgp(d, setup(4))
  // It takes the IPv6 address of the loopback interface for a session over IPv4: nobody can use that next hop.
  await using openbgpd = new OpenBgpd(e, { ...setup(5), networks: ['10.65.0.0/24'] })
  const daemons = [bird, frr, gobgp, exabgp, openbgpd]
  await Promise.all(daemons.map(async (daemon) => daemon.start()))
  await using speaker = await SpeakerChild.start(star.ours, {
    asn: ASN,
    routerId: '192.0.2.100',
    clusterId: CLUSTER_ID,
    listen: { address: '0.0.0.0', port: 179 },
    neighbors: star.links.map((link) => ({
      address: link.theirs.ipv4,
      asn: ASN,
      routeReflectorClient: true,
      connectRetry: 2,
    })),
  })
  for (const [index, daemon] of daemons.entries()) {
    for (const other of daemons) {
      if (other === daemon) continue
      for (const prefix of other.setup.networks) {
        // oxlint-disable-next-line no-await-in-loop -- thirty-six
        const shown = await eventually(
          `${daemon.name} has ${prefix} of ${other.name}`,
          async () => (await daemon.route(prefix)) || undefined,
          { describe: async () => `${speaker.log}\n${daemon.log}` },
        )
        const nextHop = prefix.includes(':') ? other.link.theirs.ipv6 : other.link.theirs.ipv4
        expect(shown, 'a reflector leaves the next hop alone').toContain(nextHop)
        // GoBGP's table view prints neither as such.
        if (daemon !== gobgp) {
          expect(shown).toContain(CLUSTER_ID)
          expect(shown).toContain(other.setup.routerId)
        }
      }
    }
    expect((await speaker.peers())[index], `${speaker.log}\n${daemon.log}`).toMatchObject({
      state: 'Established',
      type: 'iBGP',
      flaps: 0,
    })
  }
})
