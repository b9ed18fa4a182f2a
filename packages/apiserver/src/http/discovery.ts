import type { Registry } from '../api/registry.ts'
import type { JsonObject } from '../object.ts'
import { apiVersionOf, type ResourceType } from '../resources/resource-type.ts'

const AGGREGATED = 'apidiscovery.k8s.io'

/** What `/version` answers: the Kubernetes whose API this server follows. */
export const serverVersion = {
  major: '1',
  minor: '35',
  gitVersion: 'v1.35.0+margay',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: 'linux/amd64',
}

interface GroupVersions {
  group: string
  versions: { version: string; types: ResourceType[] }[]
}

/** Whether an `Accept` header asks for aggregated discovery, and in which version. */
export function aggregatedVersion(accept: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const range of (accept ?? '').split(',')) {
    if (!range.includes(`g=${AGGREGATED}`) || !range.includes('as=APIGroupDiscoveryList')) continue
    const version = /v=(v2beta1|v2)\b/.exec(range)?.[1]
    if (version === 'v2' || version === 'v2beta1') return version
  }
  return undefined
}

/** Aggregated discovery of `/api` (the core group) or of `/apis` (all others). */
export function aggregatedDiscovery(registry: Registry, core: boolean, version: 'v2' | 'v2beta1'): JsonObject {
  const groups = groupsOf(registry).filter(({ group }) => (group === '') === core)
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `${AGGREGATED}/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group === '' ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
      versions: versions.map(({ version: name, types }) => ({
        version: name,
        resources: types.map((type) => aggregatedResource(type)),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResource(type: ResourceType): JsonObject {
  return {
    resource: type.resource,
    responseKind: { group: type.group, version: type.version, kind: type.kind },
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs: type.verbs,
    ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
    ...(type.categories.length > 0 ? { categories: type.categories } : {}),
    ...(type.subresources.length > 0
      ? {
          subresources: type.subresources.map(({ name, kind, group, version, verbs }) => ({
            subresource: name,
            responseKind: { group: group ?? type.group, version: version ?? type.version, kind },
            verbs,
          })),
        }
      : {}),
  }
}

/** `/api`. */
export function coreVersions(): JsonObject {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
}

/** `/apis`. */
export function groupList(registry: Registry): JsonObject {
  const groups = groupsOf(registry).filter(({ group }) => group !== '')
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map((group) => groupBody(group)) }
}

/** `/apis/GROUP`; undefined for groups that are not served. */
export function groupDiscovery(registry: Registry, name: string): JsonObject | undefined {
  const found = groupsOf(registry).find(({ group }) => group === name && group !== '')
  return found === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(found) }
}

function groupBody({ group, versions }: GroupVersions): JsonObject {
  const list = versions.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions: list, preferredVersion: list[0] }
}

/** `/api/v1` or `/apis/GROUP/VERSION`; undefined for what is not served. */
export function resourceList(registry: Registry, group: string, version: string): JsonObject | undefined {
  const types = registry.all().filter((type) => type.group === group && type.version === version)
  const [first] = types
  if (first === undefined) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(first),
    resources: types.flatMap((type) => [
      {
        name: type.resource,
        singularName: type.singular,
        namespaced: type.namespaced,
        kind: type.kind,
        verbs: type.verbs,
        ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
        ...(type.categories.length > 0 ? { categories: type.categories } : {}),
      },
      ...type.subresources.map((sub) => ({
        name: `${type.resource}/${sub.name}`,
        singularName: '',
        namespaced: type.namespaced,
        kind: sub.kind,
        verbs: sub.verbs,
        ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
      })),
    ]),
  }
}

function groupsOf(registry: Registry): GroupVersions[] {
  const groups = new Map<string, Map<string, ResourceType[]>>()
  for (const type of registry.all()) {
    const versions = groups.get(type.group) ?? new Map<string, ResourceType[]>()
    groups.set(type.group, versions)
    versions.set(type.version, [...(versions.get(type.version) ?? []), type])
  }
  return [...groups].map(([group, versions]) => ({
    group,
    versions: [...versions].map(([version, types]) => ({ version, types })),
  }))
}
