import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { addAskCommands } from './bgp/ask-commands.ts'

/** `margay bgp …`: the speaker alone, and questions to one that runs. */
export function addBgpCommands(program: Command): void {
  const bgp = program.command('bgp').description('the BGP speaker alone')
  bgp
    .command('run')
    .description('run a speaker until SIGTERM; SIGHUP has it read its configuration again')
    .requiredOption('--config <file>', 'its configuration, JSON')
    .action(async ({ config }: { config: string }) => {
      const { runSpeaker } = await import('bgp-js')
      const { linuxBfdSockets, linuxNeighborDiscovery, linuxSocketOptions } = await import('@margay/sockets')
      const { pino } = await import('pino')
      const log = pino(pino.destination({ fd: 2, sync: true }))
      const running = await runSpeaker(await readJson(config), {
        log,
        socketOptions: linuxSocketOptions,
        bfdSockets: linuxBfdSockets,
        neighborDiscovery: linuxNeighborDiscovery,
      })
      let reading = Promise.resolve()
      process.on('SIGHUP', () => {
        reading = reading.then(async () => {
          try {
            running.reconfigure(await readJson(config))
            log.info({ config }, 'read the configuration again')
          } catch (error) {
            log.error({ err: error }, 'the configuration stays as it was')
          }
        })
      })
      const stop = (): void => {
        running.stop().then(
          () => process.exit(0),
          (error: unknown) => {
            log.error({ err: error }, 'the speaker could not be stopped')
            process.exit(1)
          },
        )
      }
      process.once('SIGTERM', stop)
      process.once('SIGINT', stop)
    })
  addAskCommands(bgp)
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
