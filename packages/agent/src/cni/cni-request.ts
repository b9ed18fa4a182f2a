import { CniError, CniErrorCode } from './cni-error.ts'

export const SUPPORTED_VERSIONS: readonly string[] = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']
type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC'
const COMMANDS: readonly CniCommand[] = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC']

/** The first version that has the command. */
const INTRODUCED: Partial<Record<CniCommand, string>> = { CHECK: '0.4.0', STATUS: '1.1.0', GC: '1.1.0' }

/** What the runtime calls the plugin with, read and checked. */
export interface CniRequest {
  readonly command: CniCommand
  readonly cniVersion: string
  readonly networkName: string
  /** Empty for STATUS and GC. */
  readonly containerId: string
  readonly ifName: string
  /** Empty for a DEL whose namespace is gone, and for STATUS and GC. */
  readonly netns: string
  /** K8S_POD_NAMESPACE and the like. */
  readonly args: ReadonlyMap<string, string>
  readonly mtu: number | undefined
  readonly prevResult: unknown
  /** GC: what the runtime still has. */
  readonly validAttachments: readonly { readonly containerID: string; readonly ifname: string }[]
}

/** The bytes of a request, as the plugin writes them: `NAME=VALUE\0` …, `\0`, stdin. */
export interface RawCniRequest {
  readonly variables: ReadonlyMap<string, string>
  readonly stdin: string
}

/** @throws {CniError} */
export function splitRequest(bytes: Buffer): RawCniRequest {
  const variables = new Map<string, string>()
  let at = 0
  for (;;) {
    const end = bytes.indexOf(0, at)
    if (end === -1) throw new CniError(CniErrorCode.decodeFailure, 'the request is cut short')
    if (end === at) return { variables, stdin: bytes.toString('utf8', end + 1) }
    const entry = bytes.toString('utf8', at, end)
    const equals = entry.indexOf('=')
    if (equals < 1) throw new CniError(CniErrorCode.decodeFailure, 'a variable of the request has no name')
    variables.set(entry.slice(0, equals), entry.slice(equals + 1))
    at = end + 1
  }
}

/** @throws {CniError} that names the variable or the field */
export function parseRequest({ variables, stdin }: RawCniRequest): CniRequest {
  const command = COMMANDS.find((each) => each === variables.get('CNI_COMMAND'))
  if (command === undefined)
    throw environment(
      'CNI_COMMAND',
      variables.get('CNI_COMMAND') ?? '',
      `must be VERSION or one of ${COMMANDS.join(', ')}`,
    )
  const config = parseConfig(stdin)
  const { cniVersion } = config
  const introduced = INTRODUCED[command]
  if (introduced !== undefined && SUPPORTED_VERSIONS.indexOf(cniVersion) < SUPPORTED_VERSIONS.indexOf(introduced)) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `${command} needs cniVersion ${introduced} or later`,
      `the configuration says ${cniVersion}`,
    )
  }
  const attachment = command !== 'STATUS' && command !== 'GC'
  return {
    command,
    ...config,
    containerId: attachment ? containerId(variables) : '',
    ifName: attachment ? interfaceName(variables) : '',
    netns: attachment ? netnsPath(variables, command) : '',
    args: parseArgs(variables.get('CNI_ARGS') ?? ''),
  }
}

type Config = Pick<CniRequest, 'cniVersion' | 'networkName' | 'mtu' | 'prevResult' | 'validAttachments'>

function parseConfig(stdin: string): Config {
  let value: unknown
  try {
    value = JSON.parse(stdin)
  } catch (error) {
    throw new CniError(CniErrorCode.decodeFailure, 'the network configuration on stdin is not JSON', String(error), {
      cause: error,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CniError(CniErrorCode.decodeFailure, 'the network configuration on stdin is not an object')
  }
  const config = value as Record<string, unknown>
  const { cniVersion = '0.3.1', name, mtu, prevResult } = config
  if (typeof cniVersion !== 'string' || !SUPPORTED_VERSIONS.includes(cniVersion)) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `cniVersion ${JSON.stringify(cniVersion)} is not supported`,
      `supported: ${SUPPORTED_VERSIONS.join(', ')}`,
    )
  }
  if (typeof name !== 'string' || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,126}$/.test(name))
    throw invalid('name', 'must be a network name')
  if (
    mtu !== undefined &&
    !(typeof mtu === 'number' && Number.isInteger(mtu) && (mtu === 0 || (mtu >= 68 && mtu <= 65535)))
  ) {
    throw invalid('mtu', 'must be 0 or a whole number from 68 to 65535')
  }
  if (prevResult !== undefined && (typeof prevResult !== 'object' || prevResult === null))
    throw invalid('prevResult', 'must be an object')
  return {
    cniVersion,
    networkName: name,
    mtu: mtu === 0 ? undefined : mtu,
    prevResult,
    validAttachments: readAttachments(config),
  }
}

function readAttachments(config: Record<string, unknown>): Config['validAttachments'] {
  const list = config['cni.dev/valid-attachments'] ?? []
  if (!Array.isArray(list)) throw invalid('cni.dev/valid-attachments', 'must be a list')
  return list.map((each: unknown, index) => {
    const { containerID, ifname } = (each ?? {}) as Record<string, unknown>
    if (typeof containerID !== 'string' || typeof ifname !== 'string') {
      throw invalid(`cni.dev/valid-attachments[${index}]`, 'must have containerID and ifname')
    }
    return { containerID, ifname }
  })
}

function containerId(variables: ReadonlyMap<string, string>): string {
  const value = variables.get('CNI_CONTAINERID') ?? ''
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}$/.test(value))
    throw environment('CNI_CONTAINERID', value, 'must be a container id')
  return value
}

/** The kernel's rules for interface names. */
function interfaceName(variables: ReadonlyMap<string, string>): string {
  const value = variables.get('CNI_IFNAME') ?? ''
  if (!/^[a-zA-Z0-9_.-]{1,15}$/.test(value) || value === '.' || value === '..') {
    throw environment('CNI_IFNAME', value, 'must be an interface name of at most 15 characters')
  }
  return value
}

function netnsPath(variables: ReadonlyMap<string, string>, command: CniCommand): string {
  const value = variables.get('CNI_NETNS') ?? ''
  if (value === '' && command === 'DEL') return ''
  if (!/^\/[^\0]{1,4095}$/.test(value))
    throw environment('CNI_NETNS', value, 'must be the absolute path of a network namespace')
  return value
}

/** `KEY=VALUE;KEY=VALUE`. */
function parseArgs(text: string): Map<string, string> {
  const args = new Map<string, string>()
  for (const pair of text.split(';').filter((each) => each !== '')) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw environment('CNI_ARGS', pair, 'must be KEY=VALUE pairs with ; between them')
    args.set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  return args
}

function environment(name: string, value: string, problem: string): CniError {
  return new CniError(
    CniErrorCode.badEnvironment,
    `${name} ${problem}`,
    value === '' ? 'it is missing' : JSON.stringify(value.slice(0, 200)),
  )
}

function invalid(field: string, problem: string): CniError {
  return new CniError(CniErrorCode.invalidConfig, `the network configuration's ${field} ${problem}`)
}

/** The pod that the runtime names. @throws {CniError} */
export function podOf({ args }: CniRequest): { namespace: string; name: string } {
  const namespace = args.get('K8S_POD_NAMESPACE')
  const name = args.get('K8S_POD_NAME')
  if (namespace === undefined || name === undefined) {
    throw environment('CNI_ARGS', '', 'must name K8S_POD_NAMESPACE and K8S_POD_NAME')
  }
  const legal = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/
  if (!legal.test(namespace) || !legal.test(name))
    throw environment('CNI_ARGS', `${namespace}/${name}`, 'must name a pod')
  return { namespace, name }
}
