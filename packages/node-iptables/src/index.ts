export { IptablesError, type IptablesErrorCode, type OffendingLine } from './errors.ts'
export { type Exec, type ExecResult, processExec } from './exec.ts'
export type { IpSetType } from './ipset-member.ts'
export type { IpSetShape, KernelIpSet } from './ipset-wire.ts'
export {
  type IpSet,
  type IpSetCreateResult,
  type IpSetDeleteResult,
  type IpSetFailure,
  IpSets,
  type IpSetsOptions,
} from './ipsets.ts'
export { renderRule } from './render-rule.ts'
export type { Variant } from './restore.ts'
export type {
  Action,
  AddressType,
  ConnectionState,
  Match,
  Ports,
  Protocol,
  RejectWith,
  Rule,
} from './rule.ts'
export { parseSave, type SavedChain, type SavedRule, type SavedTable } from './save-text.ts'
export {
  type ApplyOptions,
  type ApplyResult,
  IptablesTable,
  type IptablesTableOptions,
  type TableName,
} from './table.ts'
export { harmlessComment } from './validate.ts'
export { detectVariant, type VariantReport } from './variant.ts'
