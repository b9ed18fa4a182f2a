export { PolicyCompiler } from './compiler.ts'
export {
  addressEnd,
  type DirectionVerdict,
  judge,
  type Packet,
  type PacketEnd,
  podEnd,
  type Verdict,
  type World,
} from './oracle.ts'
export type { DirectionPlan, EndpointPlan, IpSetKind, PlanSink, PolicyPlan, RulePlan } from './plan.ts'
