import { Command, CommanderError } from 'commander'
import { addBgpCommands } from './bgp-commands.ts'
import { addLabCommands } from './lab-commands.ts'
import { UsageError } from './usage-error.ts'

/** 0: done, 1: failed, 2: called with wrong words. */
const USAGE = 2

/** Reads the command line and runs what it names. Sets the exit code; data goes to stdout, talk to stderr. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = new Command('margay').description('A BGP-routed pod network with network policy for Kubernetes')
  program.exitOverride().showHelpAfterError()
  // Each process is loaded when it is asked for: a command of one package starts without the others.
  program
    .command('agent')
    .description('run the per-node process (configured by MARGAY_… variables)')
    .action(async () => (await import('@margay/agent')).runAgent())
  program
    .command('kube-controllers')
    .description('run the cluster process (configured by MARGAY_… variables)')
    .action(async () => (await import('@margay/kube-controllers')).runKubeControllers())
  addBgpCommands(program)
  addLabCommands(program)
  program
    .command('demo')
    .description('bring a lab up and show what Margay does')
    .option('--once', 'exit by itself; status 0 when every expectation held')
    .action(async (options: { once?: boolean }) => {
      const { runDemo } = await import('./demo/run-demo.ts')
      process.exitCode = await runDemo({ once: options.once === true })
    })
  try {
    await program.parseAsync(argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : USAGE
      return
    }
    process.stderr.write(`margay: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = error instanceof UsageError ? USAGE : 1
  }
}
