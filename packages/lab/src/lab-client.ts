import { spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { listNetns } from '@margay/netlink'
import { LabError } from './errors.ts'
import type { PodListing } from './kubelet.ts'
import type { LabDescription } from './lab-daemon.ts'
import { isNetnsOf, LABS_DIRECTORY, type LabOptions, planLab } from './lab-plan.ts'
import { killEverythingIn } from './process-reaper.ts'
import { removeUnderlay } from './underlay.ts'

const CLI = join(import.meta.dirname, '../../cli/src/main.ts')

/**
 * Starts a lab in the background. What a crashed lab of the same name left is cleaned up first.
 * @returns when the cluster is ready @throws {LabError} LAB_EXISTS, LAB_BAD_OPTION, LAB_NOT_READY
 */
export async function labUp(options: LabOptions): Promise<LabDescription> {
  const plan = planLab(options)
  if (await isRunning(options.name))
    throw new LabError(
      'LAB_EXISTS',
      `the lab ${options.name} runs already: \`margay lab down --name ${options.name}\` ends it`,
    )
  await cleanUp(options.name)
  await mkdir(join(plan.directory, 'logs'), { recursive: true, mode: 0o700 })
  const log = openSync(join(plan.directory, 'logs', 'lab.log'), 'a', 0o600)
  const args = ['--name', options.name, '--nodes', String(options.nodes), '--externals', String(options.externals)]
  const daemon = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', CLI, 'lab', 'daemon', ...args, ...(options.ipv6 ? ['--ipv6'] : [])],
    {
      detached: true,
      stdio: ['ignore', 'ignore', log, 'ipc'],
    },
  )
  const outcome = await new Promise<{ ready?: LabDescription; error?: string }>((resolve) => {
    daemon.once('message', (message) => resolve(message as { ready?: LabDescription; error?: string }))
    daemon.once('error', (error) => resolve({ error: error.message }))
    daemon.once('exit', (code) =>
      resolve({ error: `the lab's process ended with ${code}; see ${join(plan.directory, 'logs', 'lab.log')}` }),
    )
  })
  if (daemon.connected) daemon.disconnect()
  if (outcome.ready === undefined) {
    throw new LabError('LAB_NOT_READY', outcome.error ?? 'the lab did not come up')
  }
  daemon.unref()
  return outcome.ready
}

/** Ends a lab and leaves nothing behind; a lab that is not there is no error. */
export async function labDown(name: string): Promise<void> {
  planLab({ name, nodes: 1, externals: 0, ipv6: false })
  const pid = daemonPid(name)
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM')
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await cleanUp(name)
}

/** @throws {LabError} LAB_NOT_FOUND */
export async function labPods(name: string): Promise<PodListing[]> {
  return (await control(name, '/pods')) as PodListing[]
}

/** @throws {LabError} LAB_NOT_FOUND */
export async function labDescribe(name: string): Promise<LabDescription> {
  return (await control(name, '/describe')) as LabDescription
}

/** Stops, starts or kills a node's agent; its pods stay. @throws {LabError} LAB_NOT_FOUND, LAB_UNKNOWN_NODE */
export async function labNode(name: string, action: 'stop' | 'start' | 'kill', node: string): Promise<void> {
  await control(name, `/nodes/${encodeURIComponent(node)}/${action}`)
}

/** Names of the labs that run. */
export async function labList(): Promise<string[]> {
  if (!existsSync(LABS_DIRECTORY)) return []
  const names = await readdir(LABS_DIRECTORY)
  return names.filter((name) => daemonPid(name) !== undefined)
}

async function isRunning(name: string): Promise<boolean> {
  return Promise.resolve(daemonPid(name) !== undefined)
}

/** The pid of the lab's process, when it is alive and still that process. */
function daemonPid(name: string): number | undefined {
  const file = join(LABS_DIRECTORY, name, 'daemon.pid')
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, 'utf8'))
  return isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`lab\0daemon\0--name\0${name}\0`)
    ? pid
    : undefined
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
}

async function cleanUp(name: string): Promise<void> {
  for (const netns of listNetns()) if (isNetnsOf(name, netns)) killEverythingIn(netns)
  removeUnderlay(name)
  await rm(join(LABS_DIRECTORY, name), { recursive: true, force: true })
}

function control(name: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: join(LABS_DIRECTORY, name, 'control.sock'), path, method: 'POST' },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { error?: string }
          if (response.statusCode === 200) resolve(body)
          else reject(new LabError('LAB_UNKNOWN_NODE', body.error ?? 'the lab refused'))
        })
      },
    )
    outgoing.on('error', (error) => reject(new LabError('LAB_NOT_FOUND', `no lab ${name} runs here`, { cause: error })))
    outgoing.end()
  })
}
