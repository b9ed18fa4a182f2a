import { ApiError } from '../errors.ts'

/** How an answer is to be written. */
export interface Representation {
  format: 'json' | 'yaml'
  as: 'object' | 'table' | 'partial'
}

const accepted = 'application/json, application/yaml'

/** Picks the first media type of an `Accept` header that can be served. @throws {ApiError} 406 */
export function negotiate(header: string | undefined): Representation {
  const ranges = (header ?? '').trim() === '' ? ['*/*'] : (header ?? '').split(',')
  const wanted = ranges.map((range, position) => ({ ...parseRange(range), position }))
  wanted.toSorted((a, b) => b.quality - a.quality || a.position - b.position)
  for (const { type, parameters } of wanted) {
    const format = formats[type]
    const as = representations[parameters.get('as') ?? '']
    if (format === undefined || as === undefined) continue
    if (as === 'table' && parameters.get('v') !== 'v1') continue
    return { format, as }
  }
  throw new ApiError('NotAcceptable', `only the following media types are accepted: ${accepted}`)
}

const formats: Record<string, Representation['format']> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  '*/*': 'json',
  'application/*': 'json',
}

const representations: Record<string, Representation['as']> = {
  '': 'object',
  Table: 'table',
  PartialObjectMetadata: 'partial',
  PartialObjectMetadataList: 'partial',
}

export interface MediaRange {
  type: string
  parameters: Map<string, string>
  quality: number
}

/** Splits `type/subtype;key=value;q=0.5`. */
export function parseRange(text: string): MediaRange {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim())
  const parameters = new Map<string, string>()
  for (const part of rest) {
    const equals = part.indexOf('=')
    if (equals > 0)
      parameters.set(
        part.slice(0, equals).trim().toLowerCase(),
        part
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      )
  }
  const quality = Number(parameters.get('q') ?? '1')
  return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality }
}
