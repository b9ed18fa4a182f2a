import { type KubeObject, valueAt } from '../object.ts'
import type { Column } from './resource-type.ts'

/** First column of every table. */
export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
  cell: (object) => object.metadata.name,
}

/** Time since creation. */
export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
  cell: (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs),
}

/** A text column; `priority` 1 shows with `-o wide` only. */
export function column(name: string, cell: (object: KubeObject, nowMs: number) => unknown, priority = 0): Column {
  return { name, type: 'string', priority, cell }
}

/** A column of numbers. */
export function countColumn(name: string, cell: (object: KubeObject) => number): Column {
  return { name, type: 'integer', priority: 0, cell }
}

/** A column with the value at a dotted path. */
export function pathColumn(name: string, path: string, priority = 0): Column {
  return column(name, (object) => textOr(valueAt(object, path), '<none>'), priority)
}

/** `value` as text, or `fallback` when there is none. */
export function textOr(value: unknown, fallback: string): string {
  if (typeof value === 'string' && value !== '') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : fallback
}

/** `<unknown>` or a duration such as `5d3h`. */
export function ageOf(timestamp: string | undefined, nowMs: number): string {
  return timestamp === undefined ? '<unknown>' : humanDuration(Math.max(0, nowMs - Date.parse(timestamp)))
}

/** A duration as kubectl writes it (`k8s.io/apimachinery/pkg/util/duration.HumanDuration`). */
function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const days = Math.floor(hours / 24)
  if (seconds < 120) return `${seconds}s`
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  if (hours < 192) return withRest(days, 'd', hours % 24, 'h')
  if (days < 730) return `${days}d`
  if (days < 365 * 8) return withRest(Math.floor(days / 365), 'y', days % 365, 'd')
  return `${Math.floor(days / 365)}y`
}

function withRest(whole: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${whole}${unit}` : `${whole}${unit}${rest}${restUnit}`
}
