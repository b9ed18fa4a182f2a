import { Bird } from './bird.ts'
import type { DaemonProcess, DaemonSetup } from './daemon.ts'
import { ExaBgp } from './exabgp.ts'
import { Frr } from './frr.ts'
import { GoBgp } from './gobgp.ts'
import type { Link } from './namespace-pair.ts'
import { OpenBgpd } from './openbgpd.ts'

export const DAEMONS = ['BIRD', 'FRR', 'GoBGP', 'ExaBGP', 'OpenBGPD'] as const
export type DaemonName = (typeof DAEMONS)[number]

/** The limit of prefixes that each daemon is given, where it has one. */
export const THEIR_LIMIT = 40

/** One daemon with everything on that it has, and the words for what the checks ask of it. */
export interface Dialect {
  readonly daemon: DaemonProcess
  /** Asks us for our routes again. */
  refresh(): Promise<unknown>
  /** Ends the session and says why (RFC 9003). */
  shutdown(text: string): Promise<unknown>
  /** Lets the session up again. */
  up(): Promise<unknown>
  /** Where it says why we ended the session. */
  heard(): string
}

type Make = (link: Link, setup: DaemonSetup) => Dialect

const bird: Make = (link, setup) => {
  const daemon = new Bird(link, {
    ...setup,
    extra: 'enable extended messages on; local role peer; long lived graceful restart on;',
    familyExtra: `add paths on; import limit ${THEIR_LIMIT} action disable;`,
    third: { address: '', asn: 0, ...setup.third, extra: 'enable extended messages on;' },
  })
  return {
    daemon,
    heard: () => daemon.log,
    refresh: async () => daemon.birdc('reload in margay'),
    shutdown: async (text) => daemon.birdc(`disable margay "${text}"`),
    up: async () => daemon.birdc('enable margay'),
  }
}

const frr: Make = (link, setup) => {
  const daemon = new Frr(link, {
    ...setup,
    extra: ' neighbor PEER local-role peer',
    familyExtra: `  neighbor PEER addpath-tx-all-paths\n  neighbor PEER maximum-prefix ${THEIR_LIMIT}`,
  })
  const us = link.ours.ipv4
  const configure = async (line: string): Promise<unknown> =>
    daemon.vtysh('configure terminal', `router bgp ${setup.asn}`, line)
  return {
    daemon,
    heard: () => daemon.log,
    refresh: async () => daemon.vtysh(`clear bgp ipv4 unicast ${us} soft in`),
    shutdown: async (text) => configure(`neighbor ${us} shutdown message ${text}`),
    up: async () => {
      await configure(`no neighbor ${us} shutdown`)
      // Ends the wait after too many prefixes.
      return daemon.vtysh(`clear bgp ${us}`)
    },
  }
}

const gobgp: Make = (link, setup) => {
  const daemon = new GoBgp(link, {
    ...setup,
    familyExtra: `    [neighbors.afi-safis.add-paths.config]
      receive = true
      send-max = 8
    [neighbors.afi-safis.prefix-limit.config]
      max-prefixes = ${THEIR_LIMIT}
    [neighbors.afi-safis.long-lived-graceful-restart.config]
      enabled = true
      restart-time = 600`,
  })
  const us = link.ours.ipv4
  return {
    daemon,
    heard: () => daemon.log,
    refresh: async () => daemon.gobgp('neighbor', us, 'softresetin'),
    shutdown: async (text) => daemon.gobgp('neighbor', us, 'shutdown', '--reason', text),
    up: async () => daemon.gobgp('neighbor', us, 'enable'),
  }
}

const exabgp: Make = (link, setup) => {
  const daemon = new ExaBgp(link, { ...setup, familyExtra: 'add-path send/receive; extended-message enable;' })
  const us = link.ours.ipv4
  return {
    daemon,
    heard: () => daemon.heard,
    refresh: async () => daemon.command(`neighbor ${us} announce route-refresh ipv4 unicast`),
    shutdown: async () => daemon.command(`neighbor ${us} teardown 2`),
    up: async () => undefined,
  }
}

const openbgpd: Make = (link, setup) => {
  const words = [
    'announce add-path recv yes',
    'announce add-path send all',
    'announce enhanced refresh yes',
    'announce policy peer',
    `max-prefix ${THEIR_LIMIT}`,
  ]
  const daemon = new OpenBgpd(link, { ...setup, extra: words.join('\n') })
  const us = link.ours.ipv4
  return {
    daemon,
    heard: () => daemon.log,
    refresh: async () => daemon.bgpctl('neighbor', us, 'refresh'),
    shutdown: async (text) => daemon.bgpctl('neighbor', us, 'down', text),
    up: async () => daemon.bgpctl('neighbor', us, 'up'),
  }
}

export const dialects: Readonly<Record<DaemonName, Make>> = {
  BIRD: bird,
  FRR: frr,
  GoBGP: gobgp,
  ExaBGP: exabgp,
  OpenBGPD: openbgpd,
}
