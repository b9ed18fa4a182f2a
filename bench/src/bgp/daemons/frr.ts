import type { BenchDaemon, BenchSetup } from './daemon.ts'

/** FRR's bgpd alone: no zebra, so nothing goes into the kernel. */
export const frr: BenchDaemon = {
  name: 'frr',
  config: (setup) => `router bgp ${setup.asn}
 bgp router-id ${setup.address}
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp ${Math.floor(setup.holdTime / 3)} ${setup.holdTime}
${neighbors(setup)} address-family ipv4 unicast
${clients(setup)} exit-address-family
exit
`,
  command: (configFile, directory) => {
    const files = ['-f', configFile, '-i', `${directory}/pid`, '--vty_socket', directory]
    return ['/usr/lib/frr/bgpd', ...files, '-n', '-Z', '-P', '0', '-S']
  },
}

function neighbors(setup: BenchSetup): string {
  return setup.peers
    .map(({ address, asn }) => ` neighbor ${address} remote-as ${asn}\n neighbor ${address} passive\n`)
    .join('')
}

function clients(setup: BenchSetup): string {
  return setup.peers
    .filter(({ client }) => client === true)
    .map(({ address }) => `  neighbor ${address} route-reflector-client\n`)
    .join('')
}
