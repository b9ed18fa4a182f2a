import { Address, Prefix } from '@margay/net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type IptablesError, type Match, parseSave, type Rule, renderRule } from '../src/index.ts'
import { renderRules } from '../src/render-rule.ts'
import { CLAMP_MSS, SAMPLE_RULES } from './sample-rules.ts'

const drop: Rule = { action: { kind: 'drop' } }

test.for([4, 6] as const)('every kind of match and action, IPv%s', async (family) => {
  const lines = [...SAMPLE_RULES[family].map(({ rule }) => rule), CLAMP_MSS].map((rule) => renderRule(rule, { family }))
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`golden/rules-ipv${family}.txt`)
})

describe('refused before it reaches the kernel, by field', () => {
  const source = { kind: 'source', prefix: Prefix.parse('10.0.0.0/8') } as const
  const tcp = { kind: 'protocol', protocol: 'tcp' } as const
  test.for<[Rule, string]>([
    [{ action: { kind: 'jump', chain: 'a b' } }, 'action.chain'],
    [{ action: { kind: 'jump', chain: '-x' } }, 'action.chain'],
    [{ action: { kind: 'goto', chain: 'x'.repeat(29) } }, 'action.chain'],
    [{ action: { kind: 'jump', chain: 'a\n-A INPUT -j ACCEPT' } }, 'action.chain'],
    [{ action: { kind: 'log', prefix: 'a" -j ACCEPT' } }, 'action.prefix'],
    [{ action: { kind: 'log', prefix: 'x'.repeat(30) } }, 'action.prefix'],
    [{ action: { kind: 'log', prefix: 'x', level: 8 } }, 'action.level'],
    [{ action: { kind: 'nflog', group: 65536, prefix: '' } }, 'action.group'],
    [{ action: { kind: 'setMark', value: 3, mask: 1 } }, 'action.value'],
    [{ action: { kind: 'setMark', value: -1, mask: 1 } }, 'action.value'],
    [{ action: { kind: 'clearMark', mask: 2 ** 32 } }, 'action.mask'],
    [{ action: { kind: 'snat', to: Address.parse('fd00::1') } }, 'action.to'],
    [{ action: { kind: 'masquerade', toPorts: { first: 9, last: 8 } } }, 'action.toPorts.last'],
    [{ action: { kind: 'exec' } as never }, 'action.kind'],
    [{ ...drop, match: [{ kind: 'inInterface', name: 'eth0 -j ACCEPT' }] }, 'match[0].name'],
    [{ ...drop, match: [{ kind: 'inInterface', name: '' }] }, 'match[0].name'],
    [{ ...drop, match: [{ kind: 'outInterface', name: 'sixteen-characte' }] }, 'match[0].name'],
    [{ ...drop, match: [{ kind: 'source', prefix: Prefix.parse('fd00::/8') }] }, 'match[0].prefix'],
    [{ ...drop, match: [{ kind: 'source', prefix: Prefix.parse('0.0.0.0/0'), negated: true }] }, 'match[0].prefix'],
    [{ ...drop, match: [source, source] }, 'match[1]'],
    [{ ...drop, match: [{ kind: 'destinationPorts', ports: [80] }] }, 'match[0]'],
    [
      {
        ...drop,
        match: [
          { kind: 'protocol', protocol: 'icmp' },
          { kind: 'destinationPorts', ports: [80] },
        ],
      },
      'match[1]',
    ],
    [
      {
        ...drop,
        match: [
          { ...tcp, negated: true },
          { kind: 'sourcePorts', ports: [80] },
        ],
      },
      'match[1]',
    ],
    [{ ...drop, match: [tcp, { kind: 'sourcePorts', ports: [] }] }, 'match[1].ports'],
    [{ ...drop, match: [tcp, { kind: 'sourcePorts', ports: [65536] }] }, 'match[1].ports[0]'],
    [
      {
        ...drop,
        match: [tcp, { kind: 'sourcePorts', ports: Array.from({ length: 8 }, () => ({ first: 1, last: 2 })) }],
      },
      'match[1].ports',
    ],
    [{ ...drop, match: [{ kind: 'protocol', protocol: 'icmpv6' }] }, 'match[0].protocol'],
    [{ ...drop, match: [{ kind: 'protocol', protocol: 256 }] }, 'match[0].protocol'],
    [{ ...drop, match: [{ kind: 'protocol', protocol: 'constructor' as 'tcp' }] }, 'match[0].protocol'],
    [{ ...drop, match: [{ kind: 'ipSet', name: 'x'.repeat(32), flags: ['src'] }] }, 'match[0].name'],
    [{ ...drop, match: [{ kind: 'ipSet', name: 'x', flags: [] }] }, 'match[0].flags'],
    [{ ...drop, match: [{ kind: 'connectionState', states: [] }] }, 'match[0].states'],
    [{ ...drop, match: [{ kind: 'connectionState', states: ['OLD' as 'NEW'] }] }, 'match[0].states'],
    [{ ...drop, match: [{ kind: 'icmpType', type: 8 }] }, 'match[0]'],
    [{ ...drop, match: [{ kind: 'limit', rate: 0, per: 'second' }] }, 'match[0].rate'],
    [{ ...drop, match: [{ kind: 'mark', value: 1.5, mask: 1 }] }, 'match[0].value'],
  ])('%j', ([rule, field]) => {
    expect(() => renderRule(rule, { family: 4 })).toThrow(
      expect.objectContaining({ code: 'IPTABLES_BAD_RULE', field }) as IptablesError,
    )
  })
})

const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[-"'\\ \n!A-Z]*$/))

test('no text of a user leaves its place: one line, and its words are those of a harmless rule', () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, (comment, prefix, name) => {
      const match: Match[] = [{ kind: 'inInterface', name }]
      for (const rule of [
        { ...drop, comments: [comment] },
        { action: { kind: 'nflog', group: 1, prefix } },
        { ...drop, match },
      ] satisfies Rule[]) {
        let text: string
        try {
          text = renderRule(rule, { family: 4 })
        } catch (error) {
          expect(error).toMatchObject({ code: 'IPTABLES_BAD_RULE' })
          continue
        }
        expect(text).not.toMatch(/[\n\r\0]/)
        const saved = parseSave(`*filter\n:x - [0:0]\n-A x ${text}\nCOMMIT\n`, 'own:').get('filter')?.get('x')?.rules
        expect(saved).toHaveLength(1)
        expect(saved?.[0]?.target).toBe(rule.action.kind === 'drop' ? 'DROP' : 'NFLOG')
        expect(text.replaceAll(/"[^"]*"/g, '').match(/ -j /g) ?? ['at the start']).toHaveLength(1)
      }
    }),
    { numRuns: 1000 },
  )
})

describe('hashes', () => {
  const context = { family: 4, hashPrefix: 'own:' } as const
  const hashes = (rules: Rule[], chain = 'c'): string[] => renderRules(rules, chain, context).map((rule) => rule.hash)
  const accept: Rule = { action: { kind: 'accept' } }

  test('tell the rule, the chain, the place and what came before', () => {
    expect(hashes([accept, drop])).toEqual(hashes([accept, drop]))
    expect(hashes([accept, drop])[0]).toBe(hashes([accept])[0])
    expect(hashes([drop, drop])[1]).not.toBe(hashes([accept, drop])[1])
    expect(hashes([accept], 'd')).not.toEqual(hashes([accept], 'c'))
    expect(new Set(hashes([drop, drop, drop])).size).toBe(3)
    expect(hashes([drop])[0]).toMatch(/^[\w-]{16}$/)
  })

  test('are read back from iptables-save text, whatever comments come with them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, fc.boolean()), { maxLength: 6 }), (list) => {
        const rules = list.map(([comment, jumps]): Rule => {
          const action = jumps ? ({ kind: 'jump', chain: 'other' } as const) : ({ kind: 'none' } as const)
          return { action, comments: [comment] }
        })
        const rendered = renderRules(rules, 'c', context)
        const text = ['*filter', ':c - [0:0]', ...rendered.map((rule) => `[3:4] -A c ${rule.text}`), 'COMMIT'].join(
          '\n',
        )
        const read = parseSave(text, 'own:').get('filter')?.get('c')?.rules
        expect(read?.map(({ hash, target }) => ({ hash, target }))).toEqual(
          rendered.map(({ hash, target }) => ({ hash, target })),
        )
        expect(read?.every((rule) => rule.packets === 3 && rule.octets === 4)).toBe(true)
      }),
    )
  })

  test('an error names chain, rule and field', () => {
    const bad: Rule = { action: { kind: 'jump', chain: '' } }
    expect(() => renderRules([accept, bad], 'own-c', context)).toThrow(
      expect.objectContaining({
        field: 'rules[1].action.chain',
        message: 'chain own-c, rules[1].action.chain "" is not a chain name',
      }) as IptablesError,
    )
  })
})
