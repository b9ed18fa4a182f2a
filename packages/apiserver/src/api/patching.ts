import { ApiError } from '../errors.ts'
import type { KubeObject } from '../object.ts'
import { jsonPatch } from '../patch/json-patch.ts'
import { mergePatch } from '../patch/merge-patch.ts'
import { strategicMergePatch, supportsStrategicMerge } from '../patch/strategic-merge.ts'
import type { ResourceType } from '../resources/resource-type.ts'

/** A PATCH request's body and what it is. */
export type Patch =
  | { type: 'json' | 'merge' | 'strategic'; body: unknown }
  | { type: 'apply'; body: unknown; force: boolean }

/** The media types of patches. */
export const patchTypes: Record<string, Patch['type']> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

/** `live` with the patch applied; `live` itself stays as it is. @throws {ApiError} 400, 415, 422 */
export function applyPatchTo(type: ResourceType, live: KubeObject, patch: Patch): unknown {
  switch (patch.type) {
    case 'json':
      return jsonPatch(live, patch.body)
    case 'merge':
      return mergePatch(live, patch.body)
    case 'strategic':
      if (type.custom !== undefined || !supportsStrategicMerge(type.schema)) {
        const accepted = 'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml'
        throw new ApiError(
          'UnsupportedMediaType',
          `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
        )
      }
      return strategicMergePatch(type.schema, live, patch.body)
    case 'apply':
      throw new Error('server-side apply needs to know the fields owners')
  }
}
