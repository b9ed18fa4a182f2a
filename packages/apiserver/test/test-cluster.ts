import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ApiServer, type ApiServerOptions, createApiServer } from '../src/index.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const binaries = join(root, 'node_modules', '.cache', 'margay', 'bin')

export interface Outcome {
  stdout: string
  stderr: string
  code: number
}

/** An API server over TLS in this process, and kubectl with a configuration and a home of its own. */
export class TestCluster implements AsyncDisposable {
  readonly server: ApiServer
  readonly url: string
  readonly directory: string

  private constructor(server: ApiServer, url: string, directory: string) {
    this.server = server
    this.url = url
    this.directory = directory
  }

  static async start(options: ApiServerOptions = {}): Promise<TestCluster> {
    const directory = mkdtempSync(join(tmpdir(), `margay-apiserver-${process.pid}-`))
    makeCertificates(directory)
    const read = (name: string): string => readFileSync(join(directory, name), 'utf8')
    const server = createApiServer({
      tokens: {
        secret: { username: 'admin', groups: ['system:masters'] },
        weak: { username: 'jane', groups: ['dev'] },
      },
      ...options,
    })
    const tls = { cert: read('server.pem'), key: read('server.key'), clientCa: read('ca.pem') }
    const { url } = await server.listen({ tcp: { host: '127.0.0.1', port: 0 }, tls })
    const cluster = new TestCluster(server, url, directory)
    cluster.#writeKubeconfig()
    return cluster
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close()
    rmSync(this.directory, { recursive: true, force: true })
  }

  get kubeconfig(): string {
    return join(this.directory, 'kubeconfig')
  }

  get ca(): string {
    return readFileSync(join(this.directory, 'ca.pem'), 'utf8')
  }

  /** Runs kubectl; `input` is its standard input. */
  kubectl(args: string[], input?: string): Promise<Outcome> {
    return this.run('kubectl', args, input)
  }

  /** kubectl that must succeed; its standard output. */
  async ok(args: string[], input?: string): Promise<string> {
    const outcome = await this.kubectl(args, input)
    if (outcome.code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit ${outcome.code}: ${outcome.stderr}`)
    return outcome.stdout
  }

  /** kubectl that must fail; its standard error. */
  async fails(args: string[], input?: string): Promise<string> {
    const outcome = await this.kubectl(args, input)
    if (outcome.code === 0) throw new Error(`kubectl ${args.join(' ')} did not fail: ${outcome.stdout}`)
    return outcome.stderr
  }

  run(command: 'kubectl' | 'helm', args: string[], input?: string): Promise<Outcome> {
    const child = this.spawn(command, args)
    child.stdin.end(input ?? '')
    return new Promise((resolve, reject) => {
      const output = { stdout: '', stderr: '' }
      child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
      child.on('error', reject)
      child.on('close', (code) => resolve({ ...output, code: code ?? -1 }))
    })
  }

  spawn(
    command: 'kubectl' | 'helm',
    args: string[],
  ): ReturnType<typeof spawn> & {
    stdin: NonNullable<ReturnType<typeof spawn>['stdin']>
    stdout: NonNullable<ReturnType<typeof spawn>['stdout']>
    stderr: NonNullable<ReturnType<typeof spawn>['stderr']>
  } {
    const env = { PATH: process.env['PATH'], HOME: this.directory, KUBECONFIG: this.kubeconfig }
    return spawn(join(binaries, command), args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  }

  /** A request with the administrator's token, or with another one (undefined: none). */
  async request(
    path: string,
    init: RequestInit & { token?: string | undefined } = {},
  ): Promise<{ code: number; body: Json }> {
    const listener = await this.#plainListener()
    try {
      const { token = 'secret', ...rest } = init
      const headers = new Headers(rest.headers)
      if (!('token' in init) || init.token !== undefined) headers.set('authorization', `Bearer ${token}`)
      const response = await fetch(listener.url + path, { ...rest, headers })
      const text = await response.text()
      return { code: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Json) : { text } }
    } finally {
      await listener.close()
    }
  }

  #plainListener(): ReturnType<ApiServer['listen']> {
    return this.server.listen({ tcp: { host: '127.0.0.1', port: 0 } })
  }

  #writeKubeconfig(): void {
    const file = (name: string): string => join(this.directory, name)
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'admin',
      clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority': file('ca.pem') } }],
      users: [
        { name: 'admin', user: { token: 'secret' } },
        { name: 'jane', user: { token: 'weak' } },
        { name: 'nobody', user: { token: 'wrong' } },
        { name: 'cert', user: { 'client-certificate': file('client.pem'), 'client-key': file('client.key') } },
      ],
      contexts: ['admin', 'jane', 'nobody', 'cert'].map((user) => ({ name: user, context: { cluster: 'test', user } })),
    }
    writeFileSync(this.kubeconfig, JSON.stringify(config))
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests reach into answers of every shape
export type Json = Record<string, any>

function makeCertificates(directory: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test-ca')
  const sign = (name: string, subject: string, san: string): void => {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject)
    writeFileSync(join(directory, `${name}.ext`), `subjectAltName=${san}\n`)
    const ca = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', `${name}.ext`]
    openssl('x509', '-req', '-in', `${name}.csr`, ...ca, '-days', '2', '-out', `${name}.pem`)
  }
  sign('server', '/CN=localhost', 'IP:127.0.0.1,DNS:localhost')
  sign('client', '/O=dev/O=ops/CN=carol', 'DNS:carol')
}
