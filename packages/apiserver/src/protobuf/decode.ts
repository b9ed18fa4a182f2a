import type { JsonObject } from '../object.ts'
import table from './messages.json' with { type: 'json' }
import { ProtobufError, ProtobufReader } from './reader.ts'

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'

/** `k8s` and a zero octet come before every message. */
const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0)
const NESTING_AT_MOST = 100
const LENGTH_DELIMITED = 2

type Field = [name: string, type: string]

const messages = table as unknown as Record<string, Record<string, Field>>

/** Kinds that are not in the package that their group is called by. */
const kindPackages: Record<string, string> = {
  DeleteOptions: 'meta.v1',
}

/**
 * Reads a body in Kubernetes' protobuf encoding as the JSON object that it stands for. Go clients send it for the
 * built-in kinds; only they can be read.
 * @throws {ProtobufError} for kinds that are not known and for broken messages
 */
export function decodeProtobuf(body: Uint8Array): JsonObject {
  if (!MAGIC.every((octet, position) => body[position] === octet)) {
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  const { apiVersion, kind, raw } = readEnvelope(new ProtobufReader(body.subarray(MAGIC.length)))
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion]
  const name = `${kindPackages[kind] ?? `${group.split('.')[0]}.${version}`}.${kind}`
  if (!Object.hasOwn(messages, name))
    throw new ProtobufError(`no kind ${JSON.stringify(kind)} is registered for ${apiVersion}`)
  return { apiVersion, kind, ...readMessage(name, new ProtobufReader(raw), 0) }
}

/** `runtime.Unknown`: type, then the message itself. */
function readEnvelope(reader: ProtobufReader): { apiVersion: string; kind: string; raw: Uint8Array } {
  const envelope = { apiVersion: '', kind: '', raw: new Uint8Array() as Uint8Array }
  readFields(reader, (number, wireType) => {
    if (number === 1 && wireType === LENGTH_DELIMITED) {
      const type = new ProtobufReader(reader.bytes())
      readFields(type, (typeNumber) => {
        if (typeNumber === 1) envelope.apiVersion = type.string()
        else if (typeNumber === 2) envelope.kind = type.string()
        else return false
        return true
      })
    } else if (number === 2 && wireType === LENGTH_DELIMITED) envelope.raw = reader.bytes()
    else return false
    return true
  })
  return envelope
}

/** Calls `read` for each field; it returns false for fields that are to be skipped. */
function readFields(reader: ProtobufReader, read: (number: number, wireType: number) => boolean): void {
  while (reader.remaining > 0) {
    const tag = Number(reader.varint())
    const [number, wireType] = [Math.floor(tag / 8), tag % 8]
    if (number === 0) throw new ProtobufError('field number 0 is not allowed')
    if (!read(number, wireType)) reader.skip(wireType)
  }
}

function readMessage(name: string, reader: ProtobufReader, depth: number): JsonObject {
  if (depth > NESTING_AT_MOST) throw new ProtobufError('the message is nested too deeply')
  const fields = messages[name] ?? {}
  const object: JsonObject = {}
  readFields(reader, (number, wireType) => {
    const field = fields[number]
    if (field === undefined) return false
    readField(object, field, reader, wireType, depth)
    return true
  })
  return object
}

function readField(
  object: JsonObject,
  [name, type]: Field,
  reader: ProtobufReader,
  wireType: number,
  depth: number,
): void {
  if (type.startsWith('[]')) {
    const list = (object[name] ??= []) as unknown[]
    if (type === '[]int' && wireType === LENGTH_DELIMITED) {
      const packed = new ProtobufReader(reader.bytes())
      while (packed.remaining > 0) list.push(packed.int())
    } else list.push(readValue(type.slice(2), reader, wireType, depth))
    return
  }
  if (type.startsWith('{}')) {
    const map = (object[name] ??= {}) as JsonObject
    const [key, value] = readEntry(type.slice(2), reader, depth)
    if (key === '__proto__') throw new ProtobufError('"__proto__" is not accepted as a key')
    map[key] = value
    return
  }
  const isPointer = type.startsWith('*')
  const value = readValue(isPointer ? type.slice(1) : type, reader, wireType, depth)
  if (name === '') Object.assign(object, value)
  else if (isPointer || !isZero(value)) object[name] = value
}

/** A Go field that is no pointer is always sent; its zero value means that nothing was said. */
function isZero(value: unknown): boolean {
  if (value === '' || value === 0 || value === false || value === null || value === undefined) return true
  return typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0
}

function readEntry(type: string, reader: ProtobufReader, depth: number): [key: string, value: unknown] {
  const entry = new ProtobufReader(reader.bytes())
  let key = ''
  let value: unknown = type === 'string' || type === 'bytes' ? '' : undefined
  readFields(entry, (number, wireType) => {
    if (number === 1) key = entry.string()
    else if (number === 2) value = readValue(type, entry, wireType, depth)
    else return false
    return true
  })
  return [key, value]
}

function readValue(type: string, reader: ProtobufReader, wireType: number, depth: number): unknown {
  const expected = type === 'bool' || type === 'int' ? 0 : type === 'double' ? 1 : LENGTH_DELIMITED
  if (wireType !== expected) throw new ProtobufError(`wire type ${wireType} where ${expected} is expected`)
  if (type.startsWith(':')) return readMessage(type.slice(1), new ProtobufReader(reader.bytes()), depth + 1)
  switch (type) {
    case 'string':
      return reader.string()
    case 'bool':
      return reader.varint() !== 0n
    case 'int':
      return reader.int()
    case 'double':
      return reader.double()
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64')
    default:
      return readSpecial(type, new ProtobufReader(reader.bytes()))
  }
}

function readSpecial(type: string, reader: ProtobufReader): unknown {
  const values = new Map<number, unknown>()
  const list: string[] = []
  readFields(reader, (number, wireType) => {
    if (wireType === 0) values.set(number, reader.int())
    else if (wireType === LENGTH_DELIMITED) {
      const text = reader.string()
      values.set(number, text)
      if (number === 1) list.push(text)
    } else return false
    return true
  })
  switch (type) {
    case 'time':
    case 'microTime':
      return timeText(Number(values.get(1) ?? 0), Number(values.get(2) ?? 0), type === 'microTime')
    case 'quantity':
      return values.get(1) ?? '0'
    case 'intOrString':
      return values.get(1) === 1 ? (values.get(3) ?? '') : (values.get(2) ?? 0)
    case 'strings':
      return list
    case 'json':
      return parseJson(list[0] ?? '')
    default:
      throw new ProtobufError(`type ${type} is not known`)
  }
}

/** Go's zero time is sent as an empty message, or as the seconds from 1970 back to the year 1. */
function timeText(seconds: number, nanos: number, isMicro: boolean): string | undefined {
  if ((seconds === 0 && nanos === 0) || seconds === -62_135_596_800) return undefined
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) throw new ProtobufError('a time is out of range')
  const text = date.toISOString().slice(0, 19)
  return isMicro ? `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z` : `${text}Z`
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch (error) {
    throw new ProtobufError(`embedded JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}
