import { Address, addressBits, type Prefix } from '@margay/net'
import { type FieldError, ModelError } from './errors.ts'
import type { KubernetesObject } from './kubernetes.ts'
import { FieldReader } from './reader.ts'
import { parseSelector, type Selector } from './selector.ts'

/**
 * The kinds of projectcalico.org/v3 that configure Margay, with their defaults filled in. A parser never throws: it
 * returns the object or every field that is wrong. A field of Calico's that Margay has not yet is wrong unless it holds
 * the value that means "off": nothing is accepted and ignored. The CRDs' CEL rules refuse the same things at admission.
 */
export type Parsed<T> = { readonly value: T } | { readonly errors: readonly FieldError[] }

export interface CalicoObject extends KubernetesObject {
  readonly spec?: unknown
  readonly status?: { readonly conditions?: readonly Condition[] }
}

/** One of an object's status conditions, as in the Kubernetes API. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

export type AllowedUse = 'Workload' | 'Tunnel'

export interface IPPool {
  readonly name: string
  readonly cidr: Prefix
  readonly blockSize: number
  readonly natOutgoing: boolean
  readonly disabled: boolean
  readonly disableBgpExport: boolean
  readonly nodeSelector: Selector
  readonly namespaceSelector: Selector
  readonly allowedUses: readonly AllowedUse[]
  readonly assignmentMode: 'Automatic' | 'Manual'
  /** Being deleted: its addresses stay in use, new ones are not given out. */
  readonly terminating: boolean
  /** False when kube-controllers found a reason against it (an overlap): condition `Allocatable`. */
  readonly allocatable: boolean
}

export interface BgpConfiguration {
  readonly asNumber: number
  readonly nodeToNodeMeshEnabled: boolean
  readonly listenPort: number
}

export const DEFAULT_BGP_CONFIGURATION: BgpConfiguration = {
  asNumber: 64512,
  nodeToNodeMeshEnabled: true,
  listenPort: 179,
}

export interface BgpPeer {
  readonly name: string
  /** Which nodes have this peer: a name, a selector, or (both undefined) all. */
  readonly node: string | undefined
  readonly nodeSelector: Selector | undefined
  /** Who the peer is: an address, or every node that the selector matches. */
  readonly peerIp: Address | undefined
  readonly peerPort: number
  readonly peerSelector: Selector | undefined
  /** Undefined with peerSelector: the peer node's own. */
  readonly asNumber: number | undefined
  readonly sourceAddress: 'UseNodeIP' | 'None'
  readonly nextHopMode: 'Auto' | 'Self' | 'Keep'
}

export interface FelixConfiguration {
  readonly defaultEndpointToHostAction: 'Drop' | 'Accept' | 'Return'
  readonly iptablesFilterDenyAction: 'Drop' | 'Reject'
  readonly logSeverityScreen: 'Debug' | 'Info' | 'Warning' | 'Error' | 'Fatal'
  readonly iptablesRefreshIntervalMs: number
  readonly ipsetsRefreshIntervalMs: number
  readonly routeRefreshIntervalMs: number
}

/** Calico's defaults (its CRD comments differ from its code; these are the code's). */
export const DEFAULT_FELIX_CONFIGURATION: FelixConfiguration = {
  defaultEndpointToHostAction: 'Drop',
  iptablesFilterDenyAction: 'Drop',
  logSeverityScreen: 'Info',
  iptablesRefreshIntervalMs: 180_000,
  ipsetsRefreshIntervalMs: 90_000,
  routeRefreshIntervalMs: 90_000,
}

const MAX_AS = 4294967295

/** Runs `read` over the object's spec and gives its result, or all errors. */
function parse<T>(object: CalicoObject, read: (spec: FieldReader) => T): Parsed<T> {
  const errors: FieldError[] = []
  const spec = new FieldReader(object.spec ?? {}, 'spec', errors)
  const value = read(spec)
  spec.finish()
  return errors.length > 0 ? { errors } : { value }
}

function selector(spec: FieldReader, name: string): Selector | undefined {
  const text = spec.string(name)
  if (text === undefined) return undefined
  try {
    return parseSelector(text)
  } catch (error) {
    if (!(error instanceof ModelError)) throw error
    return spec.fail(name, error.message)
  }
}

const EVERYTHING: Selector = parseSelector('all()')

export function parseIPPool(object: CalicoObject): Parsed<IPPool> {
  return parse(object, (spec) => {
    const cidr = spec.prefix('cidr') ?? (spec.raw('cidr') === undefined ? spec.fail('cidr', 'is required') : undefined)
    if (cidr?.address.isLinkLocal === true) spec.fail('cidr', 'must not be link-local')
    const [minimum, usual] = cidr?.family === 6 ? [116, 122] : [20, 26]
    const blockSize = spec.integer('blockSize', minimum, cidr === undefined ? 128 : addressBits(cidr.family)) ?? usual
    if (cidr !== undefined && blockSize < cidr.length)
      spec.fail('blockSize', `a /${blockSize} block does not fit ${cidr}`)
    for (const mode of ['ipipMode', 'vxlanMode']) {
      const value = spec.oneOf(mode, ['Never', 'Always', 'CrossSubnet', ''])
      if (value !== undefined && value !== '' && value !== 'Never')
        spec.fail(mode, 'only Never is supported: Margay has no overlay yet')
    }
    return {
      name: object.metadata.name,
      cidr: cidr as Prefix,
      blockSize,
      natOutgoing: spec.boolean('natOutgoing') ?? false,
      disabled: spec.boolean('disabled') ?? false,
      disableBgpExport: spec.boolean('disableBGPExport') ?? false,
      nodeSelector: selector(spec, 'nodeSelector') ?? EVERYTHING,
      namespaceSelector: selector(spec, 'namespaceSelector') ?? EVERYTHING,
      allowedUses: readAllowedUses(spec),
      assignmentMode: spec.oneOf('assignmentMode', ['Automatic', 'Manual']) ?? 'Automatic',
      terminating: object.metadata.deletionTimestamp !== undefined,
      allocatable: !(object.status?.conditions ?? []).some(
        ({ type, status }) => type === 'Allocatable' && status === 'False',
      ),
    }
  })
}

function readAllowedUses(spec: FieldReader): readonly AllowedUse[] {
  const list = spec.list('allowedUses')
  if (list === undefined || list.length === 0) return ['Workload', 'Tunnel']
  const uses = list.filter((each): each is AllowedUse => each === 'Workload' || each === 'Tunnel')
  if (uses.length < list.length)
    spec.fail('allowedUses', 'must hold Workload or Tunnel only: Margay does not assign LoadBalancer addresses yet')
  return uses
}

/** An AS number as Calico writes it: an integer, or `high.low`. */
function asNumber(spec: FieldReader, name: string): number | undefined {
  const value = spec.raw(name)
  if (value === undefined) return undefined
  const dotted = typeof value === 'string' ? /^(\d{1,5})\.(\d{1,5})$/.exec(value) : null
  if (dotted !== null && Number(dotted[1]) < 65536 && Number(dotted[2]) < 65536) {
    return Number(dotted[1]) * 65536 + Number(dotted[2])
  }
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= MAX_AS) return number
  return spec.fail(name, `must be an AS number from 1 to ${MAX_AS}`)
}

export function parseBgpConfiguration(object: CalicoObject): Parsed<BgpConfiguration> {
  return parse(object, (spec) => {
    spec.oneOf('logSeverityScreen', ['Info'])
    return {
      asNumber: asNumber(spec, 'asNumber') ?? DEFAULT_BGP_CONFIGURATION.asNumber,
      nodeToNodeMeshEnabled: spec.boolean('nodeToNodeMeshEnabled') ?? true,
      listenPort: spec.integer('listenPort', 1, 65535) ?? DEFAULT_BGP_CONFIGURATION.listenPort,
    }
  })
}

export function parseBgpPeer(object: CalicoObject): Parsed<BgpPeer> {
  return parse(object, (spec) => {
    const nodeSelector = selector(spec, 'nodeSelector')
    const peerSelector = selector(spec, 'peerSelector')
    const node = spec.string('node')
    const peer = readPeerIp(spec)
    const as = asNumber(spec, 'asNumber')
    if (node !== undefined && nodeSelector !== undefined) spec.fail('nodeSelector', 'must not stand beside node')
    if (peerSelector !== undefined && (peer !== undefined || as !== undefined)) {
      spec.fail('peerSelector', 'must not stand beside peerIP or asNumber')
    }
    if (peerSelector === undefined && peer === undefined) spec.fail('peerIP', 'or peerSelector is required')
    if (peer !== undefined && as === undefined) spec.fail('asNumber', 'is required with peerIP')
    return {
      name: object.metadata.name,
      node,
      nodeSelector,
      peerIp: peer?.address,
      peerPort: peer?.port ?? 179,
      peerSelector,
      asNumber: as,
      sourceAddress: spec.oneOf('sourceAddress', ['UseNodeIP', 'None']) ?? 'UseNodeIP',
      nextHopMode: spec.oneOf('nextHopMode', ['Auto', 'Self', 'Keep']) ?? 'Auto',
    }
  })
}

/** `10.0.0.1`, `10.0.0.1:1790`, `fd00::1` or `[fd00::1]:1790`. */
function readPeerIp(spec: FieldReader): { address: Address; port: number | undefined } | undefined {
  const text = spec.string('peerIP')
  if (text === undefined) return undefined
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text)
  const address = Address.tryParse(match?.[1] ?? text)
  const port = match?.[2] === undefined ? undefined : Number(match[2])
  if (address === undefined || (port !== undefined && (port < 1 || port > 65535))) {
    return spec.fail('peerIP', 'must be an address, with an optional port')
  }
  return { address, port }
}

export function parseFelixConfiguration(object: CalicoObject): Parsed<FelixConfiguration> {
  const usual = DEFAULT_FELIX_CONFIGURATION
  return parse(object, (spec) => {
    spec.oneOf('iptablesBackend', ['Auto'])
    for (const off of ['bpfEnabled', 'wireguardEnabled', 'wireguardEnabledV6', 'ipipEnabled', 'vxlanEnabled']) {
      if (spec.boolean(off) === true) spec.fail(off, 'is not supported by Margay yet')
    }
    return {
      defaultEndpointToHostAction:
        spec.oneOf('defaultEndpointToHostAction', ['Drop', 'Accept', 'Return']) ?? usual.defaultEndpointToHostAction,
      iptablesFilterDenyAction:
        spec.oneOf('iptablesFilterDenyAction', ['Drop', 'Reject']) ?? usual.iptablesFilterDenyAction,
      logSeverityScreen:
        spec.oneOf('logSeverityScreen', ['Debug', 'Info', 'Warning', 'Error', 'Fatal']) ?? usual.logSeverityScreen,
      iptablesRefreshIntervalMs: duration(spec, 'iptablesRefreshInterval') ?? usual.iptablesRefreshIntervalMs,
      ipsetsRefreshIntervalMs: duration(spec, 'ipsetsRefreshInterval') ?? usual.ipsetsRefreshIntervalMs,
      routeRefreshIntervalMs: duration(spec, 'routeRefreshInterval') ?? usual.routeRefreshIntervalMs,
    }
  })
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration as Go writes it (`1m30s`), in milliseconds. */
function duration(spec: FieldReader, name: string): number | undefined {
  const text = spec.string(name)
  if (text === undefined) return undefined
  if (!/^(\d{1,9}(\.\d{1,9})?(ms|s|m|h))+$/.test(text))
    return spec.fail(name, 'must be a duration such as 90s or 1m30s')
  let total = 0
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h)/g))
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  return total
}
