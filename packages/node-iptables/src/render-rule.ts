import { createHash } from 'node:crypto'
import type { Address } from '@margay/net'
import { badRule, IptablesError } from './errors.ts'
import { bits, portsWord, type RenderContext, renderMatches } from './render-match.ts'
import type { Action, Ports, RejectWith, Rule } from './rule.ts'
import { checkChainName, checkInteger, checkLogPrefix, harmlessComment } from './validate.ts'

const REJECTS: Record<RejectWith, { 4: string; 6: string }> = {
  'port-unreachable': { 4: 'icmp-port-unreachable', 6: 'icmp6-port-unreachable' },
  'host-unreachable': { 4: 'icmp-host-unreachable', 6: 'icmp6-addr-unreachable' },
  'net-unreachable': { 4: 'icmp-net-unreachable', 6: 'icmp6-no-route' },
  'admin-prohibited': { 4: 'icmp-admin-prohibited', 6: 'icmp6-adm-prohibited' },
  'tcp-reset': { 4: 'tcp-reset', 6: 'tcp-reset' },
}
const LOG_PREFIX_LENGTH = 29
const NFLOG_PREFIX_LENGTH = 63
const HASH_LENGTH = 16

/** A rule ready for iptables-restore. */
export interface RenderedRule {
  /** Everything behind `-A CHAIN `, the hash comment first. */
  readonly text: string
  /** Tells the rule, its chain, its place and all rules before it. */
  readonly hash: string
  /** The chain that it jumps or goes to. */
  readonly target: string | undefined
}

/**
 * Renders the rules of one chain. Each carries its hash in a comment: `hashPrefix` and 16 characters over `seed` and
 * the texts up to and including its own, so that a chain read back tells by its hashes alone whether it is the same.
 * @param seed what the rules belong to: the chain's name
 * @throws {IptablesError} IPTABLES_BAD_RULE; `field` is like `rules[3].match[0].name`
 */
export function renderRules(
  rules: readonly Rule[],
  seed: string,
  context: RenderContext & { readonly hashPrefix: string },
): RenderedRule[] {
  let state = seed
  return rules.map((rule, index) => {
    try {
      const body = renderRule(rule, context)
      state = digest(`${state}\n${body}`)
      const hash = state.slice(0, HASH_LENGTH)
      const target = rule.action.kind === 'jump' || rule.action.kind === 'goto' ? rule.action.chain : undefined
      return {
        text: `-m comment --comment "${context.hashPrefix}${hash}"${body === '' ? '' : ' '}${body}`,
        hash,
        target,
      }
    } catch (error) {
      throw locate(error, seed, index)
    }
  })
}

/** Everything behind `-A CHAIN `, without a hash. @throws {IptablesError} IPTABLES_BAD_RULE */
export function renderRule(rule: Rule, context: RenderContext): string {
  const comments = (rule.comments ?? []).flatMap((text) => {
    const harmless = harmlessComment(text)
    return harmless === '' ? [] : ['-m', 'comment', '--comment', `"${harmless}"`]
  })
  return [...comments, ...renderMatches(rule.match ?? [], context), ...renderAction(rule.action, context)].join(' ')
}

function locate(error: unknown, chain: string, index: number): unknown {
  if (!(error instanceof IptablesError) || error.field === undefined) return error
  const field = `rules[${index}].${error.field}`
  return new IptablesError(error.code, `chain ${chain}, rules[${index}].${error.message}`, { field })
}

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url')

function renderAction(action: Action, context: RenderContext): string[] {
  switch (action.kind) {
    case 'accept':
      return ['-j', 'ACCEPT']
    case 'drop':
      return ['-j', 'DROP']
    case 'return':
      return ['-j', 'RETURN']
    case 'jump':
      return ['-j', checkChainName('action.chain', action.chain)]
    case 'goto':
      return ['-g', checkChainName('action.chain', action.chain)]
    case 'reject':
      return ['-j', 'REJECT', '--reject-with', rejectWord(action.with ?? 'port-unreachable', context)]
    case 'setMark':
      return ['-j', 'MARK', '--set-mark', setMarkWord(action.value, action.mask)]
    case 'clearMark':
      return ['-j', 'MARK', '--set-mark', setMarkWord(0, action.mask)]
    case 'saveMark':
      return ['-j', 'CONNMARK', '--save-mark', '--mask', bits('action.mask', action.mask)]
    case 'restoreMark':
      return ['-j', 'CONNMARK', '--restore-mark', '--mask', bits('action.mask', action.mask)]
    case 'masquerade':
      return renderMasquerade(action)
    case 'snat':
      return renderSnat(action, context)
    case 'dnat':
      return ['-j', 'DNAT', '--to-destination', translation(action, context)]
    case 'noTrack':
      return ['-j', 'CT', '--notrack']
    case 'log':
      return renderLog(action)
    case 'nflog':
      checkInteger('action.group', action.group, 0, 65535)
      checkLogPrefix('action.prefix', action.prefix, NFLOG_PREFIX_LENGTH)
      return ['-j', 'NFLOG', '--nflog-group', `${action.group}`, '--nflog-prefix', `"${action.prefix}"`]
    case 'clampMss':
      return action.to === 'mtu'
        ? ['-j', 'TCPMSS', '--clamp-mss-to-pmtu']
        : ['-j', 'TCPMSS', '--set-mss', `${checkInteger('action.to', action.to, 88, 65495)}`]
    case 'none':
      return []
    default:
      throw badRule('action.kind', (action as { kind: unknown }).kind, 'is not a kind of action')
  }
}

function rejectWord(name: RejectWith, context: RenderContext): string {
  const words = Object.hasOwn(REJECTS, name) ? REJECTS[name] : undefined
  if (words === undefined) throw badRule('action.with', name, 'is not a way to reject')
  return words[context.family]
}

function setMarkWord(value: number, mask: number): string {
  const word = `${bits('action.value', value)}/${bits('action.mask', mask)}`
  // In numbers beyond 31 bits JavaScript's own operators would go wrong.
  if ((BigInt(value) & ~BigInt(mask)) !== 0n) throw badRule('action.value', word, 'has bits outside its mask')
  return word
}

function renderMasquerade(action: Action & { kind: 'masquerade' }): string[] {
  const words = ['-j', 'MASQUERADE']
  if (action.toPorts !== undefined) words.push('--to-ports', portsWord('action.toPorts', action.toPorts, '-'))
  if (action.randomFully === true) words.push('--random-fully')
  return words
}

function renderSnat(action: Action & { kind: 'snat' }, context: RenderContext): string[] {
  const words = ['-j', 'SNAT', '--to-source', translation(action, context)]
  if (action.randomFully === true) words.push('--random-fully')
  return words
}

function translation(action: { readonly to: Address; readonly toPorts?: Ports }, context: RenderContext): string {
  if (action.to.family !== context.family) throw badRule('action.to', action.to, `is not IPv${context.family}`)
  if (action.toPorts === undefined) return action.to.toString()
  const ports = portsWord('action.toPorts', action.toPorts, '-')
  return action.to.family === 6 ? `[${action.to}]:${ports}` : `${action.to}:${ports}`
}

function renderLog(action: Action & { kind: 'log' }): string[] {
  checkLogPrefix('action.prefix', action.prefix, LOG_PREFIX_LENGTH)
  const level = checkInteger('action.level', action.level ?? 4, 0, 7)
  return ['-j', 'LOG', '--log-prefix', `"${action.prefix}"`, '--log-level', `${level}`]
}
