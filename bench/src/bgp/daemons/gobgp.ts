import type { BenchDaemon, BenchPeer, BenchSetup } from './daemon.ts'

export const gobgp: BenchDaemon = {
  name: 'gobgp',
  config: (setup) => `[global.config]
  as = ${setup.asn}
  router-id = "${setup.address}"
${setup.peers.map((peer) => neighbor(setup, peer)).join('')}`,
  command: (configFile) => {
    const log = ['--log-plain', '-l', 'warn']
    return ['gobgpd', '-t', 'toml', '-f', configFile, '--api-hosts', '127.0.0.1:50051', ...log]
  },
}

function neighbor(setup: BenchSetup, peer: BenchPeer): string {
  const reflector =
    peer.client === true
      ? `  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "${setup.address}"
`
      : ''
  return `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${peer.address}"
    peer-as = ${peer.asn}
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.timers.config]
    hold-time = ${setup.holdTime}
    keepalive-interval = ${Math.floor(setup.holdTime / 3)}
${reflector}`
}
