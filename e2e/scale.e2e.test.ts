/** Many pods and policies on one node: what a change of one label costs. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Expectation, unmetExpectations } from './src/expectations.ts'
import { readRules, readSets, rewrittenRules } from './src/kernel-snapshot.ts'
import { KernelWatch } from './src/kernel-watch.ts'
import { LabFixture, type RunningPod } from './src/lab-fixture.ts'
import { networkPolicy, pod } from './src/objects.ts'
import { ProbeServers } from './src/prober.ts'

const [PODS, POLICIES, APPS, TEAMS] = [100, 200, 20, 10]
const PORT = 7000

let lab: LabFixture
const servers = new ProbeServers()

beforeAll(async () => {
  lab = await LabFixture.up({ purpose: 'scale', nodes: 1 })
  // Policies select apps and let teams in: a pod's team is what others' rules know it by.
  const pods = Array.from({ length: PODS }, (_, index) =>
    pod(`pod${index}`, { node: 'node1', labels: { app: `app${index % APPS}`, team: `team${index % TEAMS}` } }),
  )
  const policies = Array.from({ length: POLICIES }, (_, index) =>
    networkPolicy(`default/policy${index}`, {
      podSelector: { matchLabels: { app: `app${index % APPS}` } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { team: `team${Math.floor(index / APPS) % 2}` } } }],
          ports: [{ protocol: 'TCP', port: PORT + Math.floor(index / APPS) }],
        },
      ],
      egress: [
        { to: [{ podSelector: { matchLabels: { team: `team${index % TEAMS}` } } }] },
        { to: [{ podSelector: {} }] },
      ],
    }),
  )
  await lab.apply([...pods, ...policies])
  await lab.waitForPods()
  await lab.sync()
  for (const name of ['pod1', 'pod2']) await servers.start((await lab.pod(`default/${name}`)).netns, [PORT, PORT + 1])
})

afterAll(async () => {
  await servers[Symbol.asyncDispose]()
  await lab?.down()
})

/** Whether `from` reaches the two ports of `to`. */
function reaches(from: RunningPod, to: RunningPod, allowed: readonly [boolean, boolean]): Expectation[] {
  return to.ips.flatMap((address) =>
    allowed.map((isAllowed, index) => ({
      probe: { netns: from.netns, protocol: 'TCP', address, port: PORT + index },
      allowed: isAllowed,
      label: `${from.name} → ${to.name}`,
    })),
  )
}

test(`with ${PODS} pods and ${POLICIES} policies, a pod's new label changes set members and nothing else`, async () => {
  const { netns } = lab.node('node1')
  const [stranger, mover] = [await lab.pod('default/pod2'), await lab.pod('default/pod50')]
  const target = await lab.pod('default/pod1')
  // Team 0 may use the first port, team 1 the second, and team 2 none; pod50 is of team 0.
  expect(
    await unmetExpectations([...reaches(mover, target, [true, false]), ...reaches(stranger, target, [false, false])]),
  ).toEqual([])
  const [rules, sets, log] = [await readRules(netns), await readSets(netns), await programmings()]
  expect(
    rules.filter(({ text }) => text.includes('-A mgy-pi-') || / filter mgy-pi-/.test(text)).length,
  ).toBeGreaterThanOrEqual(2 * POLICIES)
  const watch = await KernelWatch.start([netns])

  await lab.kubectl(['label', '--overwrite', 'pod', 'pod50', 'team=team1'])
  await lab.sync()

  expect(
    await unmetExpectations([...reaches(mover, target, [false, true]), ...reaches(stranger, target, [false, false])], {
      forgiveLeaks: false,
    }),
  ).toEqual([])
  expect(await watch.close()).toEqual([])
  expect(rewrittenRules(rules, await readRules(netns))).toEqual([])
  expect(await programmings()).toBe(log)
  const now = await readSets(netns)
  const gone = sets.filter((line) => !now.includes(line))
  const added = now.filter((line) => !sets.includes(line))
  // Out of the sets of team 0 and into those of team 1, one for each family.
  const members = (lines: readonly string[]): (string | undefined)[] => lines.map((line) => line.split(' ').at(-1))
  expect({ gone: new Set(members(gone)), added: new Set(members(added)) }).toEqual({
    gone: new Set(mover.ips),
    added: new Set(mover.ips),
  })
  expect([gone.length, added.length]).toEqual([2, 2])
})

/** How often the agent has written chains. */
async function programmings(): Promise<number> {
  return (await readFile(lab.logFile('node1'), 'utf8')).split('programmed iptables').length - 1
}
