import { Prefix } from '@margay/net'
import { createNetns, deleteNetns, listNetns, openNetns, openRoute, writeSysctl } from '@margay/netlink'
import { type HostPlan, isNetnsOf, type LabPlan } from './lab-plan.ts'

const BRIDGE = 'br0'
const UPLINK = 'eth0'
const MTU = 1500

/** Makes the lab's namespaces and the bridge that joins them: one layer-2 network, as a rack has. */
export async function buildUnderlay(plan: LabPlan): Promise<void> {
  createNetns(plan.fabricNetns)
  using fabric = openNetns(plan.fabricNetns)
  await using switchboard = openRoute({ netns: fabric })
  await upLoopback(switchboard)
  await switchboard.addLink({
    name: BRIDGE,
    kind: 'bridge',
    bridge: { stp: false, multicastSnooping: false },
    up: true,
  })
  const bridge = await switchboard.link(BRIDGE)
  if (bridge === undefined) throw new Error(`${BRIDGE} vanished`)
  for (const address of plan.fabricAddresses) {
    await switchboard.addAddress(bridge.index, { address, length: lengthOf(plan, address.family), noDad: true })
  }
  for (const [index, host] of [...plan.nodeHosts, ...plan.externalHosts].entries()) {
    await plugIn(plan, host, { fabric, switchboard, bridgeIndex: bridge.index, port: `port${index}` })
  }
}

interface Fabric {
  readonly fabric: { readonly fd: number }
  readonly switchboard: ReturnType<typeof openRoute>
  readonly bridgeIndex: number
  readonly port: string
}

async function plugIn(plan: LabPlan, host: HostPlan, { switchboard, bridgeIndex, port }: Fabric): Promise<void> {
  createNetns(host.netns)
  using netns = openNetns(host.netns)
  await switchboard.addLink({ name: port, kind: 'veth', mtu: MTU, peer: { name: UPLINK, netns, mtu: MTU } })
  await switchboard.setLink(port, { master: bridgeIndex, up: true })
  await using inside = openRoute({ netns })
  await upLoopback(inside)
  writeSysctl(netns, `net/ipv6/conf/${UPLINK}/accept_dad`, '0')
  await inside.setLink(UPLINK, { up: true })
  const uplink = await inside.link(UPLINK)
  if (uplink === undefined) throw new Error(`${UPLINK} vanished from ${host.netns}`)
  for (const address of host.addresses) {
    await inside.addAddress(uplink.index, { address, length: lengthOf(plan, address.family), noDad: true })
  }
  for (const gateway of plan.fabricAddresses) {
    const dst = Prefix.parse(gateway.family === 4 ? '0.0.0.0/0' : '::/0')
    await inside.addRoute({ dst, gateway })
  }
}

function lengthOf(plan: LabPlan, family: 4 | 6): number {
  return plan.underlay.find((prefix) => prefix.family === family)?.length ?? 0
}

async function upLoopback(socket: ReturnType<typeof openRoute>): Promise<void> {
  await socket.setLink('lo', { up: true })
}

/** Deletes every namespace of a lab, whoever left it. */
export function removeUnderlay(name: string): void {
  for (const netns of listNetns()) if (isNetnsOf(name, netns)) deleteNetns(netns)
}
