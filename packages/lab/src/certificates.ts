import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const DAYS = '365'
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** PEM texts. */
export interface KeyPair {
  readonly key: string
  readonly cert: string
}

export interface CertificateRequest {
  readonly commonName: string
  readonly organization?: string
  readonly dnsNames?: readonly string[]
  readonly addresses?: readonly string[]
}

/** A certificate authority that lives as long as its lab; its files are in the lab's directory. */
export class Authority {
  readonly cert: string
  readonly #directory: string
  #issued = 0

  private constructor(directory: string, cert: string) {
    this.#directory = directory
    this.cert = cert
  }

  static async create(directory: string, name: string): Promise<Authority> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const [key, cert] = [join(directory, 'ca.key'), join(directory, 'ca.crt')]
    await run('openssl', [
      'req',
      '-x509',
      ...NEW_KEY,
      '-days',
      DAYS,
      '-keyout',
      key,
      '-out',
      cert,
      '-subj',
      `/CN=${name}`,
    ])
    return new Authority(directory, await readFile(cert, 'utf8'))
  }

  /** A certificate for a server, a client, or both. */
  async issue({ commonName, organization, dnsNames = [], addresses = [] }: CertificateRequest): Promise<KeyPair> {
    const number = ++this.#issued
    const file = (ending: string): string => join(this.#directory, `${number}.${ending}`)
    const [key, request, cert, extensions] = [file('key'), file('csr'), file('crt'), file('ext')]
    const names = [...dnsNames.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)]
    const lines = ['basicConstraints=CA:FALSE', 'extendedKeyUsage=serverAuth,clientAuth']
    if (names.length > 0) lines.push(`subjectAltName=${names.join(',')}`)
    await writeFile(extensions, `${lines.join('\n')}\n`)
    const subject = `${organization === undefined ? '' : `/O=${organization}`}/CN=${commonName}`
    await run('openssl', ['req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', subject])
    const signing = [
      '-CA',
      join(this.#directory, 'ca.crt'),
      '-CAkey',
      join(this.#directory, 'ca.key'),
      '-CAcreateserial',
    ]
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      request,
      ...signing,
      '-days',
      DAYS,
      '-extfile',
      extensions,
      '-out',
      cert,
    ])
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
  }
}
