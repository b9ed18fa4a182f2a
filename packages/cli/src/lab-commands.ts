import type { LabDescription, LabOptions } from '@margay/lab'
import type { Command } from 'commander'
import { integerOption } from './integer-option.ts'

const DEFAULT_NAME = 'margay'

/** `margay lab …`: clusters in network namespaces. */
export function addLabCommands(program: Command): void {
  const lab = program.command('lab').description('clusters in network namespaces of this machine')
  withLabOptions(lab.command('up').description('start a lab in the background; returns when the cluster is ready'))
    .option('--json', 'print a description as JSON')
    .action(async (options: LabOptions & { json?: boolean }) => {
      const { labUp } = await import('@margay/lab')
      const description = await labUp(options)
      process.stdout.write(options.json === true ? `${JSON.stringify(description)}\n` : forPeople(description))
    })
  withLabOptions(lab.command('daemon', { hidden: true })).action(async (options: LabOptions) => {
    await (await import('@margay/lab')).runLabDaemon(options)
  })
  lab
    .command('down')
    .description('end a lab and leave nothing behind')
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .action(async ({ name }: { name: string }) => (await import('@margay/lab')).labDown(name))
  lab
    .command('list')
    .description('the labs that run')
    .action(async () => {
      for (const name of await (await import('@margay/lab')).labList()) process.stdout.write(`${name}\n`)
    })
  lab
    .command('describe')
    .description('what `lab up --json` printed')
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .action(async ({ name }: { name: string }) => {
      process.stdout.write(`${JSON.stringify(await (await import('@margay/lab')).labDescribe(name))}\n`)
    })
  lab
    .command('pods')
    .description('the pods that run, with their network namespaces')
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .option('--json', 'print JSON')
    .action(async ({ name, json }: { name: string; json?: boolean }) => {
      const pods = await (await import('@margay/lab')).labPods(name)
      if (json === true) process.stdout.write(`${JSON.stringify(pods)}\n`)
      else
        for (const pod of pods)
          process.stdout.write(`${pod.namespace}/${pod.name}\t${pod.node}\t${pod.netns}\t${pod.ips.join(',')}\n`)
    })
  addNodeCommands(lab)
}

function addNodeCommands(lab: Command): void {
  const node = lab.command('node').description("a node's agent; its pods stay")
  const actions = { stop: 'stop it (SIGTERM)', start: 'start it again', kill: 'kill it (SIGKILL)' } as const
  for (const [action, description] of Object.entries(actions) as [keyof typeof actions, string][]) {
    node
      .command(`${action} <node>`)
      .description(description)
      .option('--name <name>', 'name of the lab', DEFAULT_NAME)
      .action(async (target: string, { name }: { name: string }) =>
        (await import('@margay/lab')).labNode(name, action, target),
      )
  }
}

function withLabOptions(command: Command): Command {
  return command
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .addOption(integerOption('--nodes <n>', 'number of nodes', { min: 1, max: 100, fallback: 3 }))
    .addOption(
      integerOption('--externals <n>', 'number of hosts outside the cluster', { min: 0, max: 50, fallback: 0 }),
    )
    .option('--ipv6', 'IPv6 beside IPv4', false)
}

function forPeople({ name, kubeconfig, nodes, externals }: LabDescription): string {
  const hosts = [
    ...nodes.map((node) => `  ${node.name}  ${node.ip}  ${node.api}`),
    ...externals.map((host) => `  ${host.name}  ${host.ip}`),
  ]
  return `lab ${name} is ready\n${hosts.join('\n')}\n\n  export KUBECONFIG=${kubeconfig}\n`
}
