/**
 * Writes `src/protobuf/messages.json`: field numbers of the Kubernetes types that Go clients send as protobuf. They are
 * read from a kubectl binary: Go keeps the struct tags (`protobuf:"bytes,8,opt,name=…"`) of all its types in there.
 *
 *   node packages/apiserver/scripts/generate-protobuf.ts PATH-TO-KUBECTL
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages: Record<string, string> = {
  'k8s.io/api/core/v1': 'core.v1',
  'k8s.io/api/apps/v1': 'apps.v1',
  'k8s.io/api/networking/v1': 'networking.v1',
  'k8s.io/api/coordination/v1': 'coordination.v1',
  'k8s.io/api/rbac/v1': 'rbac.v1',
  'k8s.io/api/policy/v1': 'policy.v1',
  'k8s.io/api/scheduling/v1': 'scheduling.v1',
  'k8s.io/api/discovery/v1': 'discovery.v1',
  'k8s.io/api/autoscaling/v1': 'autoscaling.v1',
  'k8s.io/api/authentication/v1': 'authentication.v1',
  'k8s.io/api/authorization/v1': 'authorization.v1',
  'k8s.io/apimachinery/pkg/apis/meta/v1': 'meta.v1',
}
/** What the server reads: objects of these kinds, and all that is in them. */
const roots = [
  'Pod Node Namespace Service Endpoints ConfigMap Secret ServiceAccount Event Binding'
    .split(' ')
    .map((name) => `core.v1.${name}`),
  'Deployment DaemonSet StatefulSet ReplicaSet'.split(' ').map((name) => `apps.v1.${name}`),
  'Role RoleBinding ClusterRole ClusterRoleBinding'.split(' ').map((name) => `rbac.v1.${name}`),
  ['networking.v1.NetworkPolicy', 'coordination.v1.Lease', 'discovery.v1.EndpointSlice', 'autoscaling.v1.Scale'],
  ['policy.v1.PodDisruptionBudget', 'policy.v1.Eviction', 'scheduling.v1.PriorityClass', 'meta.v1.DeleteOptions'],
  'TokenReview TokenRequest SelfSubjectReview'.split(' ').map((name) => `authentication.v1.${name}`),
  'SubjectAccessReview SelfSubjectAccessReview LocalSubjectAccessReview SelfSubjectRulesReview'
    .split(' ')
    .map((name) => `authorization.v1.${name}`),
].flat()

/** Go's reflect.Kind numbers. */
const Kind = {
  Bool: 1,
  Int32: 5,
  Int64: 6,
  Uint8: 8,
  Float64: 14,
  Map: 21,
  Pointer: 22,
  Slice: 23,
  String: 24,
  Struct: 25,
}
const special: Record<string, string> = {
  'meta.v1.Time': 'time',
  'meta.v1.MicroTime': 'microTime',
  'meta.v1.FieldsV1': 'json',
  'k8s.io/apimachinery/pkg/api/resource.Quantity': 'quantity',
  'k8s.io/apimachinery/pkg/util/intstr.IntOrString': 'intOrString',
  'k8s.io/apimachinery/pkg/runtime.RawExtension': 'json',
}

const path = process.argv[2]
if (path === undefined) throw new Error('usage: generate-protobuf.ts PATH-TO-KUBECTL')
const file = readFileSync(path)
const sections = readSections()
const typesBase = sectionOf('.rodata').address
const structs = new Map<string, number>()
const messages: Record<string, Record<string, [name: string, type: string]>> = {}

findStructs()
for (const root of roots) addMessage(root)
const target = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'protobuf', 'messages.json')
const sorted = Object.entries(messages).toSorted(([a], [b]) => (a < b ? -1 : 1))
const lines = sorted.map(([name, fields]) => `  ${JSON.stringify(name)}: ${JSON.stringify(fields)}`)
writeFileSync(target, `{\n${lines.join(',\n')}\n}\n`)

interface Section {
  name: string
  address: number
  offset: number
  size: number
}

/** Section headers of a little-endian ELF64 file. */
function readSections(): Section[] {
  const [start, count, nameIndex] = [Number(file.readBigUInt64LE(40)), file.readUInt16LE(60), file.readUInt16LE(62)]
  const raw = Array.from({ length: count }, (_, position) => {
    const at = start + position * 64
    const [address, offset, size] = [16, 24, 32].map((field) => Number(file.readBigUInt64LE(at + field)))
    return { nameAt: file.readUInt32LE(at), address: address ?? 0, offset: offset ?? 0, size: size ?? 0 }
  })
  const names = raw[nameIndex]?.offset ?? 0
  return raw.map(({ nameAt, ...section }) => {
    const begin = names + nameAt
    return { ...section, name: file.toString('latin1', begin, file.indexOf(0, begin)) }
  })
}

function sectionOf(name: string): Section {
  const section = sections.find((one) => one.name === name)
  if (section === undefined) throw new Error(`${path} has no section ${name}`)
  return section
}

/** Place in the file of a virtual address. */
function at(address: number): number {
  const section = sections.find((one) => address >= one.address && address < one.address + one.size)
  if (section === undefined) throw new Error(`address ${address.toString(16)} is in no section`)
  return section.offset + address - section.address
}

function pointer(address: number): number {
  return Number(file.readBigUInt64LE(at(address)))
}

function kindOf(type: number): number {
  return file.readUInt8(at(type) + 23) & 31
}

/** A Go name: flags, length, text, and a tag when the second flag is set. */
function readName(address: number): { text: string; tag: string } {
  let place = at(address)
  const flags = file.readUInt8(place++)
  const text = (): string => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const octet = file.readUInt8(place++)
      length |= (octet & 127) << shift
      if (octet < 128) break
    }
    place += length
    return file.toString('utf8', place - length, place)
  }
  const name = text()
  return { text: name, tag: (flags & 2) === 0 ? '' : text() }
}

/** `core.v1.Pod`, or the whole package path for others; undefined for types without a name. */
function typeName(type: number): string | undefined {
  const flags = file.readUInt8(at(type) + 20)
  if ((flags & 1) === 0) return undefined
  const uncommon =
    type + ({ [Kind.Struct]: 80, [Kind.Slice]: 56, [Kind.Map]: 112, [Kind.Pointer]: 56 }[kindOf(type)] ?? 48)
  const packagePath = readName(typesBase + file.readInt32LE(at(uncommon))).text
  const full = readName(typesBase + file.readInt32LE(at(type) + 40)).text
  const name = full.replace(/^\*+/, '').replace(/^.*\./, '')
  return `${packages[packagePath] ?? packagePath}.${name}`
}

function findStructs(): void {
  const links = sectionOf('.typelink')
  for (let position = 0; position < links.size; position += 4) {
    const type = typesBase + file.readInt32LE(links.offset + position)
    if (kindOf(type) !== Kind.Pointer) continue
    const element = pointer(type + 48)
    if (kindOf(element) !== Kind.Struct) continue
    const name = typeName(element)
    if (name !== undefined) structs.set(name, element)
  }
}

function addMessage(name: string): void {
  if (messages[name] !== undefined) return
  const type = structs.get(name)
  if (type === undefined) throw new Error(`${path} does not know ${name}`)
  const fields: Record<string, [string, string]> = {}
  messages[name] = fields
  const [list, count] = [pointer(type + 56), pointer(type + 64)]
  for (let position = 0; position < count; position++) {
    const field = list + position * 24
    const { tag } = readName(pointer(field))
    const number = /protobuf:"[a-z0-9]+,(\d+)/.exec(tag)?.[1]
    const json = /json:"([^,"]*)/.exec(tag)?.[1]
    if (number === undefined || json === undefined) continue
    fields[number] = [json, fieldType(pointer(field + 8))]
  }
}

function fieldType(type: number): string {
  const kind = kindOf(type)
  const element = (): number => pointer(type + 48)
  const name = typeName(type)
  const known = name === undefined ? undefined : special[name]
  if (known !== undefined) return known
  switch (kind) {
    case Kind.Bool:
      return 'bool'
    case Kind.Int32:
    case Kind.Int64:
      return 'int'
    case Kind.Float64:
      return 'double'
    case Kind.String:
      return 'string'
    case Kind.Pointer:
      // Only what is behind a pointer can be told from its zero value.
      return `*${fieldType(element()).replace(/^\*/, '')}`
    case Kind.Slice: {
      if (kindOf(element()) === Kind.Uint8) return 'bytes'
      // A named list of strings (ExtraValue) is a message with the list as its field 1.
      return name !== undefined && name.endsWith('.ExtraValue') ? 'strings' : `[]${fieldType(element())}`
    }
    case Kind.Map:
      return `{}${fieldType(pointer(type + 56))}`
    case Kind.Struct:
      addMessage(name ?? '')
      return `:${name}`
    default:
      throw new Error(`${name}: kind ${kind} is not expected`)
  }
}
