import type { BenchDaemon, BenchPeer, BenchSetup } from './daemon.ts'

/** BIRD 2: routes are not put into the kernel. */
export const bird: BenchDaemon = {
  name: 'bird',
  config: (setup) => `log stderr { warning, error, fatal, auth };
router id ${setup.address};
protocol device { }
${setup.peers.map((peer, index) => protocol(setup, peer, index)).join('')}`,
  command: (configFile, directory) => ['bird', '-f', '-c', configFile, '-s', `${directory}/bird.ctl`],
}

function protocol(setup: BenchSetup, peer: BenchPeer, index: number): string {
  const internal = peer.asn === setup.asn
  return `protocol bgp p${index} {
  local ${setup.address} as ${setup.asn};
  neighbor ${peer.address} as ${peer.asn};
  passive yes;
  hold time ${setup.holdTime};
${internal ? '  direct;\n' : ''}${peer.client === true ? '  rr client;\n' : ''}  ipv4 { import all; export all;${internal ? ' gateway direct;' : ''} };
}
`
}
