import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type LabDescription, labDown, labUp } from '@margay/lab'
import { type DemoPod, differences, type Matrix, measureMatrix, renderMatrix } from './connectivity.ts'
import { KUBECTL, Kubectl } from './kubectl.ts'

const NAME = 'demo'
const APPLICATION = join(import.meta.dirname, 'application.yaml')
const EXAMPLES = join(import.meta.dirname, '../../../../policy-examples')
const SYNC_TIMEOUT_MS = 10_000

/** Policies of the demo, in the order in which they are applied. */
const POLICIES = [{ file: '03-three-tier-web.yaml', namespace: 'shop' }]

/** What the policies leave open; everything was open before. */
const isOpenAfterwards = (from: string, to: string): boolean =>
  to === 'web' || to === 'visitor' || (from === 'web' && to === 'api') || (from === 'api' && to === 'db')

interface Peers {
  readonly peers: readonly {
    address: string
    asn: number
    type: string
    state: string
    uptimeSeconds?: number
    prefixes: { received: number; advertised: number }
  }[]
}

interface Explanation {
  readonly summary: string
  readonly ingress: {
    readonly isolatedBy: string[]
    readonly chain: string | null
    readonly denied: { rule: string; packets: number } | null
  }
}

/** Talks to people on stdout and keeps the list of what went wrong. */
class Report {
  readonly problems: string[] = []
  #interrupted = false

  interrupt(): void {
    this.#interrupted = true
  }

  /** @throws when somebody pressed Ctrl-C meanwhile */
  step(text: string): void {
    if (this.#interrupted) throw new Error('interrupted')
    process.stdout.write(`\n\u001b[1m${text}\u001b[0m\n`)
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  expect(claim: boolean, problem: string): void {
    if (claim) return
    this.problems.push(problem)
    this.say(`  ! ${problem}`)
  }
}

/**
 * Brings up three nodes, an application and its policies, and shows what the kernel makes of them.
 * @returns the exit status: 0 when every expectation held
 */
export async function runDemo({ once: exitByItself }: { once: boolean }): Promise<number> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('margay demo: root is needed (network namespaces, iptables): run it again as root\n')
    return 1
  }
  const report = new Report()
  const begin = performance.now()
  report.step('1. A cluster of three nodes')
  report.say(
    "  each node is a network namespace with a real agent in it: iptables, routes and BGP are the kernel's own",
  )
  await labDown(NAME)
  const interrupted = once(process, 'SIGINT')
  void interrupted.then(() => report.interrupt())
  try {
    const lab = await labUp({ name: NAME, nodes: 3, externals: 0, ipv6: false })
    for (const { name, ip, api } of lab.nodes) report.say(`  ${name}  ${ip}  HTTP API ${api}`)
    await show(lab, report)
    const seconds = ((performance.now() - begin) / 1000).toFixed(0)
    const verdict =
      report.problems.length === 0 ? 'every expectation held' : `${report.problems.length} expectations did NOT hold`
    report.step(`Done in ${seconds} s: ${verdict}.`)
    if (!exitByItself) await stayUp(lab, report, interrupted)
  } finally {
    await labDown(NAME)
  }
  return report.problems.length === 0 ? 0 : 1
}

async function show(lab: LabDescription, report: Report): Promise<void> {
  const kubectl = new Kubectl(lab.kubeconfig)
  report.step('2. An application: web, api and db, one on each node; a visitor in another namespace')
  await kubectl.run('apply', '-f', APPLICATION)
  await kubectl.run('wait', '--for=condition=Ready', 'pod', '--all', '--all-namespaces', '--timeout=30s')
  report.say(indent(await kubectl.run('get', 'pods', '--all-namespaces', '-o', 'wide')))
  await showPeers(lab, report)
  showRoutes(lab, report)

  const pods = await listPods(kubectl)
  report.step('5. Who reaches whom (each on the port that it serves), without any policy')
  const before = await measureMatrix(kubectl, pods)
  report.say(renderMatrix(before))
  checkMatrix(before, () => true, report)

  report.step('6. The policies, with kubectl')
  for (const { file, namespace } of POLICIES) {
    report.say(`  kubectl apply --namespace ${namespace} -f policy-examples/${file}`)
    report.say(indent(await kubectl.run('apply', '--namespace', namespace, '-f', join(EXAMPLES, file)), 4))
  }
  await waitForSync(lab, kubectl, report)
  report.step('7. Who reaches whom now')
  const after = await measureMatrix(kubectl, pods)
  report.say(renderMatrix(after))
  checkMatrix(after, isOpenAfterwards, report)
  await explainOne(lab, report)
}

async function showPeers(lab: LabDescription, report: Report): Promise<void> {
  report.step('3. BGP peers of each node (GET /api/v1/bgp/peers)')
  for (const { name, api } of lab.nodes) {
    const { peers } = await get<Peers>(`${api}/api/v1/bgp/peers`)
    for (const { address, asn, type, state, prefixes } of peers) {
      report.say(
        `  ${name}  →  ${address}  AS ${asn} ${type}  ${state}  prefixes: ${prefixes.received} received, ${prefixes.advertised} advertised`,
      )
      report.expect(state === 'Established', `${name}'s session with ${address} is ${state}`)
    }
    report.expect(peers.length === lab.nodes.length - 1, `${name} has ${peers.length} peers`)
  }
}

function showRoutes(lab: LabDescription, report: Report): void {
  const [node] = lab.nodes
  if (node === undefined) return
  report.step(`4. Routes of ${node.name}, as the kernel has them (ip route; protocol 77 is Margay)`)
  const routes = execFileSync('ip', ['netns', 'exec', node.netns, 'ip', 'route', 'show', 'proto', '77'], {
    encoding: 'utf8',
  })
  report.say(indent(routes))
  for (const { ip } of lab.nodes.slice(1))
    report.expect(routes.includes(`via ${ip} `), `${node.name} has no route via ${ip}`)
}

async function listPods(kubectl: Kubectl): Promise<DemoPod[]> {
  interface Item {
    metadata: { name: string; namespace: string }
    spec: { containers: { ports: { containerPort: number }[] }[] }
    status: { podIP: string }
  }
  const { items } = await kubectl.json<{ items: Item[] }>('get', 'pods', '--all-namespaces')
  const order = ['visitor', 'web', 'api', 'db']
  return items
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      namespace: metadata.namespace,
      ip: status.podIP,
      port: spec.containers[0]?.ports[0]?.containerPort ?? 80,
    }))
    .toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
}

function checkMatrix(matrix: Matrix, expected: (from: string, to: string) => boolean, report: Report): void {
  for (const difference of differences(matrix, expected)) report.expect(false, difference)
}

async function waitForSync(lab: LabDescription, kubectl: Kubectl, report: Report): Promise<void> {
  interface Items {
    items: { metadata: { resourceVersion: string } }[]
  }
  const { items } = await kubectl.json<Items>('get', 'networkpolicies', '--all-namespaces')
  const version = Math.max(...items.map(({ metadata }) => Number(metadata.resourceVersion)))
  for (const { name, api } of lab.nodes) {
    const response = await fetch(`${api}/api/v1/sync?resourceVersion=${version}&timeout=${SYNC_TIMEOUT_MS}`)
    report.expect(response.status === 200, `${name} has not programmed resourceVersion ${version}`)
  }
  report.say(`  every node has them in its kernel (GET /api/v1/sync?resourceVersion=${version})`)
}

async function explainOne(lab: LabDescription, report: Report): Promise<void> {
  report.step('8. Why can the visitor not reach the database? (GET /api/v1/explain, on the node of the database)')
  const { api } = lab.nodes[2] ?? { api: '' }
  const { summary, ingress } = await get<Explanation>(
    `${api}/api/v1/explain?from=street/visitor&to=shop/db&protocol=TCP&port=5432`,
  )
  report.say(`  ${summary}`)
  report.say(`  policy:  ${ingress.isolatedBy.join(', ')}`)
  report.say(`  chain:   ${ingress.chain}`)
  report.say(`  rule:    ${ingress.denied?.rule}`)
  report.say(`  counter: ${ingress.denied?.packets} packets dropped`)
  report.expect((ingress.denied?.packets ?? 0) > 0, 'the rule that denies has counted no packet')
}

async function stayUp(lab: LabDescription, report: Report, interrupted: Promise<unknown>): Promise<void> {
  report.say(`\nThe lab stays up. In another terminal:\n`)
  report.say(`  export KUBECONFIG=${lab.kubeconfig}\n  alias kubectl=${KUBECTL}\n  kubectl get pods -A -o wide`)
  report.say(
    `  kubectl exec -n street visitor -- wget -qO- --timeout=2 http://$(kubectl get pod -n shop web -o jsonpath={.status.podIP})`,
  )
  for (const { name, netns, api } of lab.nodes)
    report.say(`  curl ${api}/api/v1/policies   # ${name}; its rules: ip netns exec ${netns} iptables-save`)
  report.say(`  ${lab.nodes[0]?.api}/docs      # the API, described`)
  report.say('\nCtrl-C ends it.')
  const terminated = once(process, 'SIGTERM')
  await Promise.race([interrupted, terminated])
  report.say('\ncleaning up ...')
}

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

function indent(text: string, columns = 2): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => ' '.repeat(columns) + line)
    .join('\n')
}
