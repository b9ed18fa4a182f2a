import { pino } from 'pino'
import { parseControllersConfig } from './config.ts'
import { Controllers } from './controllers.ts'

const STOP_TIMEOUT_MS = 3_000

/**
 * kube-controllers as a process: configured by the environment, runs until SIGTERM or SIGINT.
 * @throws {ControllersError} CONTROLLERS_BAD_CONFIG
 */
export async function runKubeControllers(): Promise<void> {
  const config = parseControllersConfig(process.env)
  const log = pino(
    { level: config.logLevel, base: { component: 'kube-controllers' } },
    pino.destination({ fd: 2, sync: true }),
  )
  const onFatal = (error: Error): void => {
    log.fatal({ err: error }, 'kube-controllers cannot go on')
    process.exit(1)
  }
  process.on('uncaughtException', onFatal)
  const controllers = new Controllers({ config, log, onFatal })
  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref()
    controllers.stop().then(() => process.exit(0), onFatal)
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  await controllers.start()
}
