/** A request for a resource, or for something else under `path`. */
export type RequestInfo =
  | {
      isResource: true
      group: string
      version: string
      namespace: string | undefined
      resource: string
      name: string | undefined
      subresource: string | undefined
    }
  | { isResource: false; path: string }

/**
 * Reads a URL path as Kubernetes does: `/api/v1/…` and `/apis/GROUP/VERSION/…` are resources, all else is not.
 * @returns undefined for paths with broken percent escapes
 */
export function parseRequestPath(path: string): RequestInfo | undefined {
  const parts = decodeParts(path)
  if (parts === undefined) return undefined
  const [root, ...rest] = parts
  if (root === 'api' && rest.length >= 2) return resourceAt('', rest[0] ?? '', rest.slice(1))
  if (root === 'apis' && rest.length >= 3) return resourceAt(rest[0] ?? '', rest[1] ?? '', rest.slice(2))
  return { isResource: false, path: `/${parts.join('/')}` }
}

function decodeParts(path: string): string[] | undefined {
  try {
    return path
      .split('/')
      .filter((part) => part !== '')
      .map((part) => decodeURIComponent(part))
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

function resourceAt(group: string, version: string, parts: string[]): RequestInfo {
  const base = { isResource: true as const, group, version }
  const [first = '', second, third, ...rest] = parts
  // /namespaces/NAME/RESOURCE… is inside a namespace; /namespaces/NAME/status is about the namespace itself.
  const isInside = first === 'namespaces' && third !== undefined && third !== 'status' && third !== 'finalize'
  if (isInside) {
    const [name, ...sub] = rest
    return { ...base, namespace: second, resource: third, name, subresource: subresourceOf(sub) }
  }
  const sub = third === undefined ? [] : [third, ...rest]
  return { ...base, namespace: undefined, resource: first, name: second, subresource: subresourceOf(sub) }
}

function subresourceOf(parts: string[]): string | undefined {
  return parts.length === 0 ? undefined : parts.join('/')
}
