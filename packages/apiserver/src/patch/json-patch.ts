import fastJsonPatch from 'fast-json-patch'
import { ApiError, badRequest } from '../errors.ts'
import { isObject, type JsonObject, thaw } from '../object.ts'

const OPERATIONS_AT_MOST = 10_000
const operations = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])

/**
 * Applies a JSON patch (RFC 6902) to a copy of `target`.
 * @throws {ApiError} 400 for what is no JSON patch, 422 for one that can't be applied
 */
export function jsonPatch(target: JsonObject, patch: unknown): unknown {
  if (!Array.isArray(patch) || !patch.every((operation) => isOperation(operation))) {
    throw badRequest('error decoding patch: the body must be a list of JSON patch operations (RFC 6902)')
  }
  if (patch.length > OPERATIONS_AT_MOST) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${OPERATIONS_AT_MOST}, got ${patch.length}`,
    )
  }
  try {
    const list = thaw(patch) as unknown as Parameters<typeof fastJsonPatch.applyPatch>[1]
    return fastJsonPatch.applyPatch(thaw(target), list, true, true, true).newDocument
  } catch (error) {
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new ApiError(
      'Invalid',
      `the server rejected our request due to an error in our request: ${message}`,
      undefined,
      {
        cause: error,
      },
    )
  }
}

function isOperation(value: unknown): boolean {
  return isObject(value) && typeof value['path'] === 'string' && operations.has(String(value['op']))
}
