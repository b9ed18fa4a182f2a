import type { IncomingMessage } from 'node:http'
import { parse as parseYaml } from 'yaml'
import { ApiError, badRequest } from '../errors.ts'
import { isObject } from '../object.ts'
import { decodeProtobuf, PROTOBUF_TYPE } from '../protobuf/decode.ts'
import { ProtobufError } from '../protobuf/reader.ts'
import { parseRange } from './negotiation.ts'

const BODY_AT_MOST_BYTES = 3 * 1024 * 1024
/** Kubernetes stops at 10,000; here every later step recurses, and no real object is a tenth as deep. */
const NESTING_AT_MOST = 500

/** Reads a request's body. @throws {ApiError} 413 when it is too big */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_AT_MOST_BYTES) {
      throw new ApiError('RequestEntityTooLarge', `limit is ${BODY_AT_MOST_BYTES} bytes: the request is too large`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Parses a body as its media type says. `yamlTypes` are those of patches that are YAML by name.
 * @throws {ApiError} 400 for broken syntax, 415 for types that are not read here
 */
export function parseBody(body: Buffer, contentType: string | undefined): unknown {
  const { type } = parseRange(contentType ?? 'application/json')
  if (type === 'application/json' || type.endsWith('+json') || type === '' || type === '*/*') return parseJson(body)
  if (type === 'application/yaml' || type === 'application/apply-patch+yaml') return parseYamlBody(body)
  if (type === PROTOBUF_TYPE) return parseProtobuf(body)
  throw new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml`,
  )
}

function parseProtobuf(body: Buffer): unknown {
  try {
    const value = decodeProtobuf(body)
    checkValue(value)
    return value
  } catch (error) {
    if (error instanceof ProtobufError) throw badRequest(messageOf(error), { cause: error })
    throw error
  }
}

function parseJson(body: Buffer): unknown {
  const text = textOf(body)
  requireShallow(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${messageOf(error)}`, { cause: error })
  }
  checkValue(value)
  return value
}

function parseYamlBody(body: Buffer): unknown {
  const text = textOf(body)
  let value: unknown
  try {
    // JSON is YAML, but the JSON parser is many times faster and does not recurse.
    if (/^\s*[{[]/.test(text)) requireShallow(text)
    value = parseYaml(text, { prettyErrors: false, maxAliasCount: 100, schema: 'core', logLevel: 'error' })
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw badRequest(`error converting YAML to JSON: ${messageOf(error)}`, { cause: error })
  }
  checkValue(value)
  return toJson(value)
}

function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    throw badRequest('the body is not valid UTF-8', { cause: error })
  }
}

/** Refuses deep nesting before anything recurses into it. */
function requireShallow(text: string): void {
  let depth = 0
  let inString = false
  for (let position = 0; position < text.length; position++) {
    const code = text.charCodeAt(position)
    if (inString) {
      if (code === 0x5c) position++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > NESTING_AT_MOST) throw badRequest(`json: exceeded max depth ${NESTING_AT_MOST}`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
}

/** Refuses what would be harmful further in: deep values, and keys that mean something to JavaScript objects. */
function checkValue(root: unknown): void {
  const stack: [value: unknown, depth: number][] = [[root, 0]]
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    const [value, depth] = entry
    if (typeof value !== 'object' || value === null) continue
    if (depth > NESTING_AT_MOST) throw badRequest(`json: exceeded max depth ${NESTING_AT_MOST}`)
    if (Object.hasOwn(value, '__proto__')) throw badRequest('"__proto__" is not accepted as a field name')
    for (const member of Object.values(value)) stack.push([member, depth + 1])
  }
}

/** YAML values that JSON does not have become what sigs.k8s.io/yaml makes of them. */
function toJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => toJson(item))
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]))
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'number' && !Number.isFinite(value))
    throw badRequest('error converting YAML to JSON: unsupported number')
  return value === undefined ? null : value
}

function messageOf(error: unknown): string {
  return error instanceof RangeError
    ? 'the value is nested too deeply'
    : error instanceof Error
      ? error.message.slice(0, 512)
      : String(error)
}
