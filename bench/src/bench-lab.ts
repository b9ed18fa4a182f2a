import { ApiClient, RESOURCES } from '@margay/datastore'
import { type LabDescription, labDown, labUp } from '@margay/lab'

export interface BenchLab {
  readonly description: LabDescription
  readonly client: ApiClient
}

/** Runs `work` with a lab of its own. */
export async function withLab<T>(nodes: number, work: (lab: BenchLab) => Promise<T>): Promise<T> {
  const name = `bench-${process.pid}`
  const description = await labUp({ name, nodes, externals: 0, ipv6: false })
  const client = ApiClient.load(description.kubeconfig)
  try {
    return await work({ description, client })
  } finally {
    client.close()
    await labDown(name)
  }
}

/** A pod's object: on a node, or (undefined) on one that is not there, so that no kubelet takes it. */
export async function createPod(client: ApiClient, name: string, nodeName: string | undefined): Promise<void> {
  const spec = { nodeName: nodeName ?? 'nowhere', containers: [{ name: 'main', image: 'registry.k8s.io/pause:3.10' }] }
  await client.create(RESOURCES.pods, { metadata: { name, namespace: 'default', labels: { app: name } }, spec })
}
