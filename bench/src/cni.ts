import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CNI_PLUGIN_PATH } from '@margay/cni'
import { createNetns, deleteNetns } from '@margay/netlink'
import { createPod, withLab } from './bench-lab.ts'
import { round, summarize } from './statistics.ts'

const RUNS = 30
const PTP = '/usr/lib/cni/ptp'

/** CNI ADD and DEL, called as a runtime calls them, beside the reference ptp + host-local plugins, in turn. */
export async function benchCni(): Promise<object> {
  return withLab(1, async ({ description, client }) => {
    const scratch = mkdtempSync(join(tmpdir(), 'margay-bench-'))
    const host = `mgy-bench-${process.pid}-host`
    createNetns(host)
    const samples: Record<'add' | 'del' | 'ptpAdd' | 'ptpDel', number[]> = { add: [], del: [], ptpAdd: [], ptpDel: [] }
    const node = join(description.kubeconfig, '..', 'nodes', 'node1')
    const environment = { MARGAY_CNI_SOCKET: join(node, 'cni.sock'), MARGAY_CNI_QUEUE: join(node, 'cni-queue') }
    const config = JSON.stringify({ cniVersion: '1.0.0', name: 'margay', type: 'margay' })
    const reference = JSON.stringify({
      cniVersion: '1.0.0',
      name: 'bench',
      type: 'ptp',
      ipam: { type: 'host-local', subnet: '10.99.0.0/16', dataDir: scratch, routes: [{ dst: '0.0.0.0/0' }] },
    })
    try {
      for (let run = 0; run <= RUNS; run++) {
        const name = `bench${run}`
        await createPod(client, name, undefined)
        const ours = call([CNI_PLUGIN_PATH], config, environment, name)
        const theirs = call(['ip', 'netns', 'exec', host, PTP], reference, { CNI_PATH: '/usr/lib/cni' }, `${name}p`)
        // The first of each warms up.
        if (run === 0) continue
        samples.add.push(ours.addMs)
        samples.del.push(ours.delMs)
        samples.ptpAdd.push(theirs.addMs)
        samples.ptpDel.push(theirs.delMs)
      }
    } finally {
      deleteNetns(host)
      rmSync(scratch, { recursive: true })
    }
    const [add, del, ptpAdd, ptpDel] = [
      summarize(samples.add),
      summarize(samples.del),
      summarize(samples.ptpAdd),
      summarize(samples.ptpDel),
    ]
    return {
      unit: 'ms, the whole call; ptp with `ip netns exec` around it',
      margay: { add, del },
      'ptp + host-local': { add: ptpAdd, del: ptpDel },
      ratio: { add: round(add.p50 / ptpAdd.p50), del: round(del.p50 / ptpDel.p50) },
    }
  })
}

function call(
  command: readonly string[],
  config: string,
  environment: Record<string, string>,
  pod: string,
): { addMs: number; delMs: number } {
  const netns = `mgy-bench-${process.pid}-${pod}`
  createNetns(netns)
  const run = (verb: string): number => {
    const begin = performance.now()
    const [program = '', ...args] = command
    const { status, stdout } = spawnSync(program, args, {
      input: config,
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        ...environment,
        CNI_COMMAND: verb,
        CNI_CONTAINERID: `c-${pod}`,
        CNI_NETNS: `/run/netns/${netns}`,
        CNI_IFNAME: 'eth0',
        CNI_PATH: environment['CNI_PATH'] ?? '/opt/cni/bin',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod}`,
      },
    })
    if (status !== 0) throw new Error(`${verb} of ${pod} failed: ${stdout}`)
    return performance.now() - begin
  }
  try {
    const addMs = run('ADD')
    return { addMs, delMs: run('DEL') }
  } finally {
    deleteNetns(netns)
  }
}
