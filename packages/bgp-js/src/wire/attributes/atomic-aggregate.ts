import { defineAttribute, Flag } from '../attribute-codec.ts'

/** ATOMIC_AGGREGATE, RFC 4271 §5.1.6; severity RFC 7606 §7.6. */
export const atomicAggregate = defineAttribute({
  code: 6,
  name: 'ATOMIC_AGGREGATE',
  field: 'atomicAggregate',
  flags: Flag.Transitive,
  onMalformed: 'attribute-discard',
  decode: () => true as const,
  encode: () => undefined,
})
