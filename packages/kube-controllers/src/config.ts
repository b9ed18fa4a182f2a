import { hostname } from 'node:os'
import { ControllersError } from './errors.ts'

/** How one kube-controllers process runs. */
export interface ControllersConfig {
  readonly kubeconfig: string | undefined
  /** Serves the hub on this port; undefined: no hub. */
  readonly hub:
    | { readonly port: number; readonly keyFile: string; readonly certFile: string; readonly caFile: string }
    | undefined
  readonly httpHost: string
  /** Health and metrics. */
  readonly httpPort: number
  /** Who this process is in the Lease. */
  readonly identity: string
  readonly leaseNamespace: string
  /** How long an address must look leaked before it is taken back. */
  readonly leakGraceMs: number
  readonly reconcilePeriodMs: number
  readonly logLevel: string
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']

/** @throws {ControllersError} CONTROLLERS_BAD_CONFIG naming every variable that is wrong */
export function parseControllersConfig(environment: Readonly<Record<string, string | undefined>>): ControllersConfig {
  const problems: string[] = []
  const text = (name: string): string | undefined => environment[name] || undefined
  const integer = (name: string, fallback: number, min: number, max: number): number => {
    const value = text(name)
    const number = value === undefined ? fallback : /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (!(number >= min && number <= max)) problems.push(`${name} must be a whole number from ${min} to ${max}`)
    return number
  }
  const required = (name: string): string => {
    const value = text(name)
    if (value === undefined) problems.push(`${name} is required with MARGAY_HUB_PORT`)
    return value ?? ''
  }
  const logLevel = text('MARGAY_LOG_LEVEL') ?? 'info'
  if (!LOG_LEVELS.includes(logLevel)) problems.push(`MARGAY_LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}`)
  const config: ControllersConfig = {
    kubeconfig: text('MARGAY_KUBECONFIG'),
    hub:
      text('MARGAY_HUB_PORT') === undefined
        ? undefined
        : {
            port: integer('MARGAY_HUB_PORT', 5473, 1, 65535),
            keyFile: required('MARGAY_HUB_KEY_FILE'),
            certFile: required('MARGAY_HUB_CERT_FILE'),
            caFile: required('MARGAY_HUB_CA_FILE'),
          },
    httpHost: text('MARGAY_HTTP_HOST') ?? '127.0.0.1',
    httpPort: integer('MARGAY_HTTP_PORT', 9094, 0, 65535),
    identity: text('MARGAY_IDENTITY') ?? `${hostname()}-${process.pid}`,
    leaseNamespace: text('MARGAY_NAMESPACE') ?? 'kube-system',
    leakGraceMs: 1000 * integer('MARGAY_LEAK_GRACE_SECONDS', 900, 0, 86400),
    reconcilePeriodMs: 1000 * integer('MARGAY_RECONCILE_SECONDS', 300, 1, 86400),
    logLevel,
  }
  if (problems.length > 0) throw new ControllersError('CONTROLLERS_BAD_CONFIG', problems.join('; '))
  return Object.freeze(config)
}
