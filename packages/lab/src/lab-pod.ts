import type { KubernetesObject, ObjectMeta } from '@margay/model'
import type { ContainerSpec } from './images.ts'

/** The parts of a Pod that a kubelet reads. */
export interface LabPod extends KubernetesObject {
  readonly metadata: ObjectMeta & { readonly deletionGracePeriodSeconds?: number }
  readonly spec: {
    readonly nodeName?: string
    readonly nodeSelector?: Readonly<Record<string, string>>
    readonly hostNetwork?: boolean
    readonly hostname?: string
    readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never'
    readonly terminationGracePeriodSeconds?: number
    readonly containers: readonly (ContainerSpec & {
      readonly env?: readonly { readonly name: string; readonly value?: string }[]
    })[]
  }
  readonly status?: { readonly phase?: string; readonly podIPs?: readonly { readonly ip: string }[] }
}
