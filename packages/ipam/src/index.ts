export { Allocator, type AssignRequest } from './allocator.ts'
export { allocations, isEmpty, isSound, type Owner } from './block.ts'
export { IpamError } from './errors.ts'
export { RECORDS, type RecordKind, type RecordStore } from './store.ts'
