/** Syntax rules of `k8s.io/apimachinery/pkg/util/validation`: each function returns what is wrong, worded alike. */

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const LABEL_1035_TEXT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
const QUALIFIED_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const VALUE_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const LABEL_1035 = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const QUALIFIED = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/
const ENV_NAME = /^[ -<>-~]+$/

/** DNS label (RFC 1123): container names, namespaces. */
export function dnsLabelErrors(name: string): string[] {
  return [...lengthErrors(name, 63), ...(LABEL.test(name) ? [] : [LABEL_TEXT])]
}

/** DNS label (RFC 1035): service names. */
export function dns1035LabelErrors(name: string): string[] {
  return [...lengthErrors(name, 63), ...(LABEL_1035.test(name) ? [] : [LABEL_1035_TEXT])]
}

/** DNS subdomain (RFC 1123): names of most objects. */
export function dnsSubdomainErrors(name: string): string[] {
  return [...lengthErrors(name, 253), ...(SUBDOMAIN.test(name) ? [] : [SUBDOMAIN_TEXT])]
}

/** Names that only have to fit into a URL path: RBAC objects. */
export function pathSegmentErrors(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter((character) => name.includes(character)).map((character) => `may not contain '${character}'`)
}

/** Label and annotation keys: `[prefix/]name`. */
export function labelKeyErrors(key: string): string[] {
  const parts = key.split('/')
  const name = parts.at(-1) ?? ''
  const prefix = parts[0] ?? ''
  if (parts.length > 2) {
    return [
      `a qualified name ${QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const errors: string[] = []
  if (parts.length === 2) {
    if (prefix === '') errors.push('prefix part must be non-empty')
    else errors.push(...dnsSubdomainErrors(prefix).map((error) => `prefix part ${error}`))
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (name.length > 63) errors.push('name part must be no more than 63 bytes')
  if (!QUALIFIED.test(name)) errors.push(QUALIFIED_TEXT)
  return errors
}

export function labelValueErrors(value: string): string[] {
  const tooLong = value.length > 63 ? ['must be no more than 63 bytes'] : []
  return [...tooLong, ...(value === '' || QUALIFIED.test(value) ? [] : [VALUE_TEXT])]
}

/** IANA_SVC_NAME (RFC 6335): port names. */
export function portNameErrors(name: string): string[] {
  const errors: string[] = []
  if (name.length > 15) errors.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]*$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)')
  if (name.includes('--')) errors.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

export function portNumberErrors(port: number): string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** Keys of ConfigMaps and Secrets. */
export function configKeyErrors(key: string): string[] {
  const errors = lengthErrors(key, 253)
  if (!CONFIG_KEY.test(key)) {
    errors.push(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    )
  }
  if (key === '.' || key === '..') errors.push(`must not be '${key}'`)
  return errors
}

export function envNameErrors(name: string): string[] {
  return ENV_NAME.test(name)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

function lengthErrors(text: string, max: number): string[] {
  return text.length > max ? [`must be no more than ${max} bytes`] : []
}
