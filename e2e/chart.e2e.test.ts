import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHART, chartValues, DUAL_STACK_VALUES, helm, kindCluster, manifestOf, renderChart } from './src/chart.ts'
import { ConfinedAgent } from './src/confined-agent.ts'
import { LabFixture } from './src/lab-fixture.ts'
import { namespace, networkPolicy, pod } from './src/objects.ts'
import { runProgram } from './src/run-program.ts'

const HUB_SECRETS = ['margay-hub-server-tls', 'margay-hub-client-tls'] as const

/** Ways to install, each as options of helm. */
const VARIANTS: readonly [string, readonly string[]][] = [
  ['defaults', []],
  // The lab has a pool of the second name, and another cidr is refused.
  ['dual stack', ['--values', DUAL_STACK_VALUES, '--set', 'ipPools[1].name=second']],
  ['no hub', ['--set', 'hub.enabled=false']],
  ['own certificates', ['--set', 'hub.tls.create=false']],
  ['no kube-proxy', ['--set', 'kubernetesApi.host=10.0.0.1,kubernetesApi.port=6443']],
  ['chained plugins', ['--set', 'cni.portmap=true,cni.bandwidth=true,cni.mtu=1400']],
  ['no pool, four-octet AS', ['--set-json', 'ipPools=[]', '--set', 'bgp.asNumber=4200000000']],
]

describe('values', () => {
  test('helm lint --strict has nothing to say', async () => {
    expect(await helm(['lint', '--strict', CHART])).toContain('1 chart(s) linted, 0 chart(s) failed')
  })

  test.for([
    ['image.tga=1', /additional properties 'tga' not allowed/],
    ['ipPools[0].name=p,ipPools[0].cidr=nonsense', /\/ipPools\/0\/cidr/],
    ['ipPools[0].name=p,ipPools[0].cidr=10.0.0.0/8,ipPools[0].blockSize=64', /\/ipPools\/0\/blockSize/],
    ['ipPools[0].name=p,ipPools[0].cidr=fd00::/48,ipPools[0].blockSize=26', /\/ipPools\/0\/blockSize/],
    ['bgp.asNumber=0', /\/bgp\/asNumber/],
    ['bgp.asNumber=4294967296', /\/bgp\/asNumber/],
    ['bgp.listenPort=70000', /\/bgp\/listenPort/],
    ['felix.defaultEndpointToHostAction=Allow', /\/felix\/defaultEndpointToHostAction/],
    ['felix.bpfEnabled=true', /additional properties 'bpfEnabled' not allowed/],
    ['cni.mtu=100', /\/cni\/mtu/],
    ['cni.binDir=opt/cni', /\/cni\/binDir/],
    ['agent.capabilities={NET_ADMIN}', /\/agent\/capabilities/],
    ['agent.logLevel=verbose', /\/agent\/logLevel/],
    ['kubeControllers.replicas=0', /\/kubeControllers\/replicas/],
    ['hub.port=80', /\/hub\/port/],
    ['kubernetesApi.host=10.0.0.1', /\/kubernetesApi/],
  ] as const)('%s is refused', async ([setting, message]) => {
    await expect(renderChart(['--set', setting])).rejects.toThrow(message)
  })
})

describe('kind-configs', () => {
  test.for([
    ['one-node.yaml', 1, undefined],
    ['three-nodes.yaml', 3, undefined],
    ['dual-stack.yaml', 3, DUAL_STACK_VALUES],
  ] as const)('%s has the pools of the chart, and no network of its own', ([file, nodes, values]) => {
    const { nodes: list, networking } = kindCluster(file)
    const pools = chartValues(values).ipPools.map(({ cidr }) => cidr)
    expect(list).toHaveLength(nodes)
    expect(networking.disableDefaultCNI).toBe(true)
    expect(networking.podSubnet.split(',')).toEqual(pools)
    expect(networking.ipFamily).toBe(pools.length === 2 ? 'dual' : undefined)
  })
})

describe('CNI installation', () => {
  let directory: string
  const install = async (): Promise<string> =>
    runProgram(['sh', join(CHART, 'files/install-cni.sh')], {
      env: {
        CNI_PLUGIN: join(directory, 'plugin'),
        CNI_CONFIG: join(directory, 'config'),
        CNI_BIN_DIR: directory,
        CNI_CONF_DIR: directory,
        CNI_CONF_NAME: '10-margay.conflist',
      },
    })

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margay-e2e-cni-'))
    await writeFile(join(directory, 'plugin'), 'plugin 1')
    const { data } = manifestOf(await renderChart(), 'ConfigMap', 'margay-cni')
    await writeFile(join(directory, 'config'), data?.['conflist'] ?? '')
  })

  afterAll(async () => rm(directory, { recursive: true }))

  test('writes the plugin and the configuration, and leaves alone what is right', async () => {
    await install()
    const [plugin, conflist] = ['margay', '10-margay.conflist'].map((name) => join(directory, name))
    if (plugin === undefined || conflist === undefined) throw new Error('no paths')
    expect((await stat(plugin)).mode & 0o777).toBe(0o755)
    expect(JSON.parse(await readFile(conflist, 'utf8'))).toEqual({
      name: 'margay',
      cniVersion: '1.0.0',
      cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
      plugins: [{ type: 'margay' }],
    })
    const { ino } = await stat(conflist)
    await writeFile(join(directory, 'plugin'), 'plugin 2')
    await install()
    expect(await readFile(plugin, 'utf8')).toBe('plugin 2')
    expect((await stat(conflist)).ino).toBe(ino)
  })

  test('fails without the plugin, and leaves nothing half done', async () => {
    await rm(join(directory, 'plugin'))
    await expect(install()).rejects.toThrow(/No such file/)
    expect(await readFile(join(directory, 'margay'), 'utf8')).toBe('plugin 2')
  })
})

describe('in a cluster', () => {
  let lab: LabFixture

  beforeAll(async () => {
    lab = await LabFixture.up({ purpose: 'chart', nodes: 2 })
  })

  afterAll(async () => lab.down())

  const inLab = async (args: readonly string[]): Promise<string> => helm(args, { KUBECONFIG: lab.kubeconfig })
  const secrets = async (): Promise<Record<string, string>[]> =>
    Promise.all(
      HUB_SECRETS.map(async (name) => {
        const text = await lab.kubectl(['get', 'secret', '-n', 'kube-system', name, '-o', 'json'])
        return (JSON.parse(text) as { data: Record<string, string> }).data
      }),
    )

  test.for(VARIANTS)('the API server takes the chart: %s', async ([, options]) => {
    const yaml = await renderChart(options)
    await lab.kubectl(['apply', '--dry-run=server', '-f', '-'], { input: yaml })
  })

  test('helm installs, upgrades with the same certificates, and uninstalls all but the pools', async () => {
    const chart = ['margay', CHART, '--namespace', 'kube-system', '--take-ownership']
    await inLab(['install', ...chart])
    const first = await secrets()
    const [server, client] = first.map((data) => certificates(data))
    expect(server?.certificate.checkHost('margay-hub')).toBe('margay-hub')
    expect(client?.certificate.checkHost('margay-hub')).toBeUndefined()
    for (const { certificate, authority } of [server, client].filter((each) => each !== undefined))
      expect(certificate.verify(authority.publicKey)).toBe(true)
    expect(client?.authority.fingerprint256).toBe(server?.authority.fingerprint256)

    await inLab(['upgrade', ...chart, '--set', 'bgp.asNumber=64999'])
    expect(await secrets()).toEqual(first)
    expect(await lab.kubectl(['get', 'bgpconfiguration', 'default', '-o', 'jsonpath={.spec.asNumber}'])).toBe('64999')

    await inLab(['uninstall', 'margay', '--namespace', 'kube-system'])
    expect(await lab.kubectl(['get', 'ippools', '-o', 'name'])).toContain('default-ipv4-ippool')
    expect(await lab.kubectl(['get', 'daemonsets', '-n', 'kube-system', '-o', 'name'])).toBe('')
  })

  test.for([
    ['margay-agent', 'get', 'pods', true],
    ['margay-agent', 'delete', 'pods', false],
    ['margay-agent', 'create', 'pods', false],
    ['margay-agent', 'get', 'secrets', false],
    ['margay-agent', 'update', 'networkpolicies.networking.k8s.io', false],
    ['margay-agent', 'patch', 'nodes', false],
    ['margay-agent', 'patch', 'pods', false],
    ['margay-agent', 'update', 'ippools.projectcalico.org', false],
    ['margay-kube-controllers', 'update', 'ipamblocks.projectcalico.org', true],
    ['margay-kube-controllers', 'create', 'ipamblocks.projectcalico.org', false],
    ['margay-kube-controllers', 'patch', 'pods', false],
    ['margay-kube-controllers', 'delete', 'nodes', false],
    ['margay-kube-controllers', 'get', 'secrets', false],
    ['margay-kube-controllers', 'delete', 'leases.coordination.k8s.io', false],
  ] as const)('%s may %s %s: %s', async ([user, verb, resource, allowed]) => {
    const answer = lab.kubectl(['auth', 'can-i', verb, resource, '--as', user, '--namespace', 'kube-system'])
    if (allowed) expect((await answer).trim()).toBe('yes')
    else await expect(answer).rejects.toThrow(/no/)
  })

  test('an agent with the rights of its container serves pods and programs policies', async () => {
    const node = lab.node('node1')
    await lab.agent('stop', node.name)
    {
      await using agent = new ConfinedAgent(lab, node, chartValues().agent.capabilities)
      await lab.apply([namespace('confined'), pod('a', { namespace: 'confined', node: 'node1' })])
      await lab.waitForPods()
      await lab.apply([networkPolicy('confined/deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })])
      await lab.sync()
      await lab.delete([pod('a', { namespace: 'confined', node: 'node1' })])
      expect(agent.log).not.toMatch(/"level":[56]0/)
      expect(agent.log).not.toMatch(/EPERM|EACCES|EROFS/)
    }
    await lab.agent('start', node.name)
  })

  test('the processes are never forbidden what they ask for', async () => {
    const pool = { apiVersion: 'projectcalico.org/v3', kind: 'IPPool', metadata: { name: 'extra' } }
    await lab.apply([{ ...pool, spec: { cidr: '10.99.0.0/24', blockSize: 28, assignmentMode: 'Manual' } }])
    const annotations = { 'cni.projectcalico.org/ipv4pools': '["extra"]' }
    const extra = pod('extra', { node: 'node1', annotations })
    await lab.apply([extra, pod('plain', { node: 'node2' })])
    await lab.waitForPods()
    expect((await lab.pod('default/extra')).ips[0]).toMatch(/^10\.99\.0\./)
    // The hub goes: the agents ask the API server. It comes back, takes over the lease and drains the pool.
    await lab.agent('stop', 'kube-controllers')
    await lab.delete([extra])
    await lab.apply([pod('later', { node: 'node2' })])
    await lab.waitForPods()
    await lab.agent('start', 'kube-controllers')
    await lab.delete([pool])
    // A node goes, and its blocks with it.
    const ofNode = 'jsonpath={range .items[?(@.spec.node=="node1")]}blockaffinity/{.metadata.name} {end}'
    const affinities = (await lab.kubectl(['get', 'blockaffinities', '-o', ofNode])).trim().split(' ')
    expect(affinities).not.toEqual([''])
    await lab.kubectl(['delete', 'node', 'node1'])
    await lab.kubectl(['wait', '--for=delete', '--timeout=60s', ...affinities], { timeoutMs: 70_000 })
    for (const name of ['node1', 'node2', 'kube-controllers'])
      expect(await readFile(lab.logFile(name), 'utf8'), name).not.toMatch(/forbidden/i)
  })
})

function certificates(data: Record<string, string>): { certificate: X509Certificate; authority: X509Certificate } {
  const pem = (file: string): Buffer => Buffer.from(data[file] ?? '', 'base64')
  return { certificate: new X509Certificate(pem('tls.crt')), authority: new X509Certificate(pem('ca.crt')) }
}
