import { pino } from 'pino'
import { LabDaemon } from './lab-daemon.ts'
import { type LabOptions, planLab } from './lab-plan.ts'

/** The lab's background process: tells its parent when the cluster is ready, and runs until SIGTERM. */
export async function runLabDaemon(options: LabOptions): Promise<void> {
  const log = pino({ base: { lab: options.name } }, pino.destination({ fd: 2, sync: true }))
  const daemon = new LabDaemon(planLab(options), log)
  const stop = (): void => {
    daemon.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the lab could not be taken down whole')
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.on('uncaughtException', (error) => log.error({ err: error }, 'uncaught'))
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'))
  try {
    const ready = await daemon.start()
    process.send?.({ ready })
  } catch (error) {
    log.error({ err: error }, 'the lab did not come up')
    process.send?.({ error: error instanceof Error ? error.message : String(error) })
    stop()
  }
}
