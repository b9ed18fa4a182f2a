import { stringify } from 'yaml'
import type { KeyPair } from './certificates.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** A kubeconfig with one cluster and one user, all inline. */
export function kubeconfig(
  options: { name: string; server: string; ca: string; user: string } & ({ client: KeyPair } | { token: string }),
): string {
  const { name, server, ca, user } = options
  const credentials =
    'token' in options
      ? { token: options.token }
      : { 'client-certificate-data': base64(options.client.cert), 'client-key-data': base64(options.client.key) }
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name, context: { cluster: name, user } }],
    'current-context': name,
  })
}
