export type { AdmissionRequest, UserInfo } from './api/admission.ts'
export {
  type ApiServer,
  type ApiServerOptions,
  createApiServer,
  type Listener,
  type ListenOptions,
  type Log,
  type TlsOptions,
} from './api-server.ts'
export { ApiError, type StatusCause, type StatusDetails, type StatusReason } from './errors.ts'
export type { ExecOptions, ExecStreams, LogOptions, PodRuntime } from './http/pod-runtime.ts'
export type { KubeObject, ObjectMeta } from './object.ts'
