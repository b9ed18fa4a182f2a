/** Kubernetes objects as tests write them. */

export interface PodOptions {
  readonly namespace?: string
  readonly node: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** Default: an image that only sleeps. */
  readonly image?: string
  readonly args?: readonly string[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number; readonly protocol: string }[]
}

export function pod(name: string, options: PodOptions): object {
  const { namespace = 'default', node, labels = {}, annotations = {}, image = 'pause', args, ports } = options
  const container = { name: 'main', image, ...(args && { args }), ...(ports && { ports }) }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels, annotations },
    // The pods of a test do nothing that is worth a goodbye.
    spec: { nodeName: node, terminationGracePeriodSeconds: 0, containers: [container] },
  }
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}

/** @param key `namespace/name` */
export function networkPolicy(key: string, spec: object): object {
  const [ns = '', name = ''] = key.split('/')
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: ns }, spec }
}

/** A label selector of one expression. */
export function where(key: string, operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', ...values: string[]): object {
  return { matchExpressions: [values.length > 0 ? { key, operator, values } : { key, operator }] }
}
