import { randomInt, randomUUID } from 'node:crypto'
import { alreadyExists, badRequest, conflict, invalid, notFound } from '../errors.ts'
import { type FieldError, invalidValue } from '../field-error.ts'
import {
  deepEqual,
  deepFreeze,
  isObject,
  type JsonObject,
  type KubeObject,
  type ManagedFieldsEntry,
  thaw,
} from '../object.ts'
import { applyConfiguration, type FieldWriter, managedAfterUpdate } from '../patch/managed-fields.ts'
import { metadataErrors, metadataUpdateErrors } from '../resources/metadata.ts'
import { apiVersionOf, type ResourceType } from '../resources/resource-type.ts'
import { formatTime } from '../schema/formats.ts'
import { checkRequiredAndEnums } from '../schema/required.ts'
import { validate } from '../schema/validate.ts'
import type { Store } from '../store/store.ts'
import type { AdmissionRequest, BuiltinAdmission, UserInfo } from './admission.ts'
import { decodeObject, type FieldValidation } from './decoding.ts'
import { applyPatchTo, type Patch } from './patching.ts'

const NAME_SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const GENERATED_PREFIX_AT_MOST = 58

/** How a write is to be done, and who does it. */
export interface WriteOptions {
  user: UserInfo
  dryRun: boolean
  fieldManager: string
  fieldValidation: FieldValidation
  /** Takes texts for the client's `Warning` headers. */
  warn: (text: string) => void
}

type Admit = (request: AdmissionRequest) => void

export interface ResourceApiPorts {
  store: Store
  admission: BuiltinAdmission
  admit: Admit
  /** Milliseconds since 1970. */
  now: () => number
}

/** Where an object is. */
export interface ObjectKey {
  namespace: string | undefined
  name: string
}

interface Change {
  /** A client's PUT: some kinds insist that it says what it replaces. */
  isReplace?: boolean
  /** New state from the live one (a frozen object in the served version). */
  change: (live: KubeObject) => unknown
  /** Set by server-side apply, which settles ownership itself. */
  managedFields?: (live: KubeObject) => ManagedFieldsEntry[]
}

/** The verbs that write objects: decode, default, admit, check, own, store. Reads go to the store directly. */
export class ResourceApi {
  readonly #ports: ResourceApiPorts

  constructor(ports: ResourceApiPorts) {
    this.#ports = ports
  }

  get store(): Store {
    return this.#ports.store
  }

  /** @throws {ApiError} 404 */
  get(type: ResourceType, { namespace, name }: ObjectKey): KubeObject {
    const object = this.store.get(type.table, namespace, name)
    if (object === undefined) throw notFound(type, name)
    return served(type, object)
  }

  /** Creates an object from a client's body. @throws {ApiError} */
  create(type: ResourceType, namespace: string | undefined, body: unknown, options: WriteOptions): KubeObject {
    return this.#create(type, namespace, body, options, undefined)
  }

  #create(
    type: ResourceType,
    namespace: string | undefined,
    body: unknown,
    options: WriteOptions,
    owned: ManagedFieldsEntry[] | undefined,
  ): KubeObject {
    const { store, admission, now } = this.#ports
    const object = decodeObject(type, body, options.fieldValidation, options.warn)
    if (object.metadata.resourceVersion !== undefined && object.metadata.resourceVersion !== '') {
      throw badRequest('resourceVersion should not be set on objects to be created')
    }
    placeInNamespace(type, object, namespace)
    this.#nameNew(type, object)
    if (type.namespaced) admission.requireNamespace(type, namespace ?? '', object.metadata.name)
    if (type.hasStatus) delete object['status']
    setNewMetadata(type, object, now())
    type.applyDefaults?.(object)
    type.prepareForCreate?.(object)
    admission.onCreate(type, object)
    this.#admit('CREATE', type, undefined, object, undefined, options)
    this.#check(type, object, undefined, metadataErrors(type, object))
    if (store.get(type.table, namespace, object.metadata.name) !== undefined) {
      throw alreadyExists(type, object.metadata.name)
    }
    const writer = this.writer(type, options, undefined)
    object.metadata.managedFields = owned ?? managedAfterUpdate(type.schema, undefined, object, writer)
    if (options.dryRun) return deepFreeze(object)
    return store.put(type.table, object)
  }

  /** Replaces an object by a client's body. @throws {ApiError} */
  update(type: ResourceType, key: ObjectKey, body: unknown, options: WriteOptions, subresource?: string): KubeObject {
    return this.#change(type, key, options, subresource, { change: () => body, isReplace: true })
  }

  /** Applies a patch; a server-side apply creates the object when it is missing. @throws {ApiError} */
  patch(type: ResourceType, key: ObjectKey, patch: Patch, options: WriteOptions, subresource?: string): KubeObject {
    if (patch.type !== 'apply') {
      return this.#change(type, key, options, subresource, {
        change: (live) => applyPatchTo(type, live, patch),
      })
    }
    return this.#apply(type, key, patch.body, patch.force, options, subresource)
  }

  #apply(
    type: ResourceType,
    key: ObjectKey,
    body: unknown,
    force: boolean,
    options: WriteOptions,
    subresource: string | undefined,
  ): KubeObject {
    const config = decodeObject(type, body, options.fieldValidation, options.warn)
    config.metadata.name ??= key.name
    if (config.metadata.name !== key.name) {
      throw badRequest(`name in URL (${key.name}) does not match name in the applied object (${config.metadata.name})`)
    }
    if (config.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
    const writer = this.writer(type, options, subresource)
    const withoutStatus = subresource === undefined && type.hasStatus ? omitStatus(config) : config
    const live = this.store.get(type.table, key.namespace, key.name)
    if (live === undefined) {
      if (subresource !== undefined || config.metadata.uid !== undefined) throw notFound(type, key.name)
      const { managedFields } = applyConfiguration(type.schema, undefined, withoutStatus, writer, force)
      return this.#create(type, key.namespace, withoutStatus, options, managedFields)
    }
    const applied = applyConfiguration(type.schema, served(type, live), withoutStatus, writer, force)
    return this.#change(type, key, options, subresource, {
      change: () => withVersion(applied.object, config.metadata.resourceVersion),
      managedFields: () => applied.managedFields,
    })
  }

  /**
   * Changes an object by a function of its live state, as a patch would: for subresources and the server itself.
   * @throws {ApiError}
   */
  modify(
    type: ResourceType,
    key: ObjectKey,
    options: WriteOptions,
    change: (live: KubeObject) => unknown,
    subresource?: string,
  ): KubeObject {
    return this.#change(type, key, options, subresource, { change })
  }

  #change(
    type: ResourceType,
    key: ObjectKey,
    options: WriteOptions,
    subresource: string | undefined,
    { change, managedFields, isReplace = false }: Change,
  ): KubeObject {
    const { store, admission } = this.#ports
    const live = this.get(type, key)
    const object = decodeObject(type, change(live), options.fieldValidation, options.warn)
    placeInNamespace(type, object, key.namespace)
    if ((object.metadata.name ?? '') !== key.name) {
      throw badRequest(
        `the name of the object (${object.metadata.name ?? ''}) does not match the name on the URL (${key.name})`,
      )
    }
    if (isReplace) requireVersion(type, object)
    requireCurrent(type, object, live)
    const base = object.metadata.managedFields
    keepSystemMetadata(object, live)
    keepOtherHalf(type, object, live, subresource)
    type.applyDefaults?.(object)
    type.prepareForUpdate?.(object, live)
    admission.onUpdate(type, object, live)
    this.#admit('UPDATE', type, subresource, object, live, options)
    this.#check(type, object, live, metadataUpdateErrors(type, object, live))
    if (type.tracksGeneration && desiredChanged(type, object, live)) {
      object.metadata.generation = (live.metadata.generation ?? 0) + 1
    }
    object.metadata.managedFields = base ?? live.metadata.managedFields ?? []
    object.metadata.managedFields =
      managedFields?.(live) ?? managedAfterUpdate(type.schema, live, object, this.writer(type, options, subresource))
    if (isSame(object, live)) return live
    if (options.dryRun) return deepFreeze(object)
    if (mayGo(object)) {
      return store.remove(type.table, key.namespace, key.name) ?? object
    }
    return store.put(type.table, object)
  }

  /** What a write by `options` is recorded as in managedFields. */
  writer(type: ResourceType, options: WriteOptions, subresource: string | undefined): FieldWriter {
    const time = formatTime(this.#ports.now())
    return { manager: options.fieldManager, apiVersion: apiVersionOf(type), subresource, time }
  }

  /** Asks the embedder's hook. @throws {ApiError} as the hook decides */
  admitDelete(type: ResourceType, object: KubeObject, options: WriteOptions): void {
    this.#admit('DELETE', type, undefined, undefined, object, options)
  }

  #admit(
    operation: AdmissionRequest['operation'],
    type: ResourceType,
    subresource: string | undefined,
    object: KubeObject | undefined,
    oldObject: KubeObject | undefined,
    { dryRun, user }: WriteOptions,
  ): void {
    const { group, version, resource } = type
    this.#ports.admit({
      operation,
      resource: { group, version, resource },
      subresource,
      object: object === undefined ? undefined : deepFreeze(thaw(object)),
      oldObject,
      dryRun,
      userInfo: user,
    })
  }

  #check(type: ResourceType, object: KubeObject, old: KubeObject | undefined, errors: FieldError[]): void {
    if (type.custom === undefined) {
      errors.push(...checkRequiredAndEnums(type.schema, object))
    } else {
      errors.push(...validate(type.custom.schema, object))
      if (errors.length === 0) errors.push(...type.custom.validateRules(object, old))
    }
    errors.push(...(type.validate?.(object, old) ?? []))
    if (errors.length === 0) return
    throw invalid(type.group, type.kind, object.metadata.name ?? '', withoutRepeats(errors))
  }

  #nameNew(type: ResourceType, { metadata }: KubeObject): void {
    if ((metadata.name ?? '') !== '' || (metadata.generateName ?? '') === '') return
    const prefix = (metadata.generateName ?? '').slice(0, GENERATED_PREFIX_AT_MOST)
    for (let tries = 0; tries < 8; tries++) {
      metadata.name = prefix + randomSuffix()
      if (this.store.get(type.table, metadata.namespace, metadata.name) === undefined) return
    }
  }
}

/** `object` in the version of `type`: versions of a custom resource differ by apiVersion alone. */
export function served(type: ResourceType, object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(type)
  return object.apiVersion === apiVersion ? object : Object.freeze({ ...object, apiVersion })
}

/** Whether nothing holds an object that is being deleted any longer. */
function mayGo({ metadata }: KubeObject): boolean {
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = metadata
  return deletionTimestamp !== undefined && finalizers.length === 0 && deletionGracePeriodSeconds === 0
}

function placeInNamespace(type: ResourceType, { metadata }: KubeObject, namespace: string | undefined): void {
  if (!type.namespaced) {
    delete metadata.namespace
    return
  }
  if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${metadata.namespace} and ${namespace})`,
    )
  }
  if (namespace !== undefined) metadata.namespace = namespace
}

function setNewMetadata(type: ResourceType, { metadata }: KubeObject, nowMs: number): void {
  for (const key of ['resourceVersion', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'generation']) {
    delete metadata[key]
  }
  metadata.uid = randomUUID()
  metadata.creationTimestamp = formatTime(nowMs)
  if (type.tracksGeneration) metadata.generation = 1
}

function keepSystemMetadata({ metadata }: KubeObject, live: KubeObject): void {
  const keys = [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'resourceVersion',
    'generateName',
  ]
  delete metadata['selfLink']
  for (const key of keys) {
    if (live.metadata[key] === undefined) delete metadata[key]
    else metadata[key] = live.metadata[key]
  }
}

/** Status is written through its subresource alone, and that writes nothing else. */
function keepOtherHalf(
  type: ResourceType,
  object: KubeObject,
  live: KubeObject,
  subresource: string | undefined,
): void {
  if (subresource !== 'status') {
    if (!type.hasStatus) return
    if (live['status'] === undefined) delete object['status']
    else object['status'] = live['status']
    object['status'] = object['status'] === undefined ? undefined : thaw(object['status'])
    if (object['status'] === undefined) delete object['status']
    return
  }
  for (const key of new Set([...Object.keys(object), ...Object.keys(live)])) {
    if (key === 'status' || key === 'metadata' || key === 'apiVersion' || key === 'kind') continue
    if (live[key] === undefined) delete object[key]
    else object[key] = thaw(live[key])
  }
  if (type.custom !== undefined) {
    object.metadata = { ...thaw(live.metadata), ...managedFieldsOf(object) }
  }
}

function managedFieldsOf({ metadata }: KubeObject): { managedFields?: ManagedFieldsEntry[] } {
  return metadata.managedFields === undefined ? {} : { managedFields: metadata.managedFields }
}

function requireVersion(type: ResourceType, { metadata }: KubeObject): void {
  const allowsBlindUpdate = type.custom === undefined && type.table !== 'leases.coordination.k8s.io'
  if (allowsBlindUpdate || (metadata.resourceVersion ?? '') !== '') return
  const error = invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')
  throw invalid(type.group, type.kind, metadata.name, [error])
}

function requireCurrent(type: ResourceType, { metadata }: KubeObject, live: KubeObject): void {
  const { resourceVersion = '', uid = '' } = metadata
  if (uid !== '' && uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid}`
    throw conflict(type, live.metadata.name, why)
  }
  if (resourceVersion !== '' && resourceVersion !== live.metadata.resourceVersion) {
    const why = 'the object has been modified; please apply your changes to the latest version and try again'
    throw conflict(type, live.metadata.name, why)
  }
}

function desiredChanged(type: ResourceType, object: KubeObject, live: KubeObject): boolean {
  const desired = ({
    apiVersion: _version,
    kind: _kind,
    metadata: _metadata,
    status,
    ...rest
  }: KubeObject): JsonObject => (type.hasStatus || status === undefined ? rest : { ...rest, status })
  return !deepEqual(desired(object), desired(live))
}

/** Whether a write would change nothing but times in managedFields. */
function isSame(object: KubeObject, live: KubeObject): boolean {
  const comparable = ({ metadata, ...rest }: KubeObject): JsonObject => ({
    ...rest,
    metadata: {
      ...metadata,
      managedFields: (metadata.managedFields ?? []).map(({ time: _time, ...entry }) => entry),
    },
  })
  return deepEqual(comparable(object), comparable(live))
}

function omitStatus(config: KubeObject): KubeObject {
  const { status: _status, ...rest } = config
  return rest
}

function withVersion(object: JsonObject, resourceVersion: string | undefined): JsonObject {
  const metadata: JsonObject = isObject(object['metadata']) ? { ...object['metadata'] } : {}
  if (resourceVersion === undefined) delete metadata['resourceVersion']
  else metadata['resourceVersion'] = resourceVersion
  return { ...object, metadata }
}

function withoutRepeats(errors: FieldError[]): FieldError[] {
  const seen = new Set<string>()
  return errors.filter(({ field, message }) => {
    const key = `${field} ${message}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

function randomSuffix(): string {
  return Array.from({ length: 5 }, () => NAME_SUFFIX_ALPHABET[randomInt(NAME_SUFFIX_ALPHABET.length)]).join('')
}
