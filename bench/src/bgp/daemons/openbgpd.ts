import { mkdirSync } from 'node:fs'
import type { BenchDaemon } from './daemon.ts'

/** Its processes chroot into it: systemd would make it. */
const RUN_DIRECTORY = '/run/openbgpd'

/** OpenBGPD, coupled to no kernel table. */
export const openbgpd: BenchDaemon = {
  name: 'openbgpd',
  config: (setup) => `AS ${setup.asn}
router-id ${setup.address}
holdtime ${setup.holdTime}
fib-update no
socket "${RUN_DIRECTORY}/margay-bench-${process.pid}.sock"
listen on ${setup.address}
${setup.peers
  .map(
    ({ address, asn, client }) => `neighbor ${address} {
  remote-as ${asn}
  passive
${client === true ? '  route-reflector\n' : ''}}
`,
  )
  .join('')}allow from any
allow to any
`,
  command: (configFile) => {
    mkdirSync(RUN_DIRECTORY, { recursive: true })
    return ['/usr/sbin/bgpd', '-d', '-f', configFile]
  },
}
