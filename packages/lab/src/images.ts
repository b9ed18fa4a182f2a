import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** What a container runs: a program of this machine in place of an image. */
export interface Program {
  readonly argv: readonly string[]
  /** A line for the container's log, where the image could not be taken at its word. */
  readonly note?: string
  /** A server of the lab's own is ready when it listens here. */
  readonly listensOn?: number
}

export interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
}

const NODE = process.execPath
const SERVERS = join(import.meta.dirname, 'servers')
const BUSYBOX = '/bin/busybox'
const PAUSE: readonly string[] = ['sleep', 'infinity']

/** What the well-known images start when the pod names no command; by the last part of their names. */
const ENTRYPOINTS: Readonly<Record<string, readonly string[]>> = {
  nginx: [NODE, join(SERVERS, 'nginx.ts')],
  httpd: [NODE, join(SERVERS, 'nginx.ts')],
  agnhost: [NODE, join(SERVERS, 'agnhost.ts')],
  'hello-app': [NODE, join(SERVERS, 'nginx.ts'), '8080'],
  pause: PAUSE,
}
/** Images that are a shell and its tools: what they run is found on this machine, else in busybox. */
const SHELL_IMAGES = ['busybox', 'alpine', 'debian', 'ubuntu', 'netshoot', 'curl', 'ubi-minimal']

/** `docker.io/library/nginx:1.27@sha256:…` → `nginx`. */
function imageName(image: string): string {
  const last = image.split('@', 1)[0]?.split('/').at(-1) ?? ''
  return last.split(':', 1)[0] ?? ''
}

/** Never fails: a pod runs whatever its image is; one that means nothing here only sleeps. */
export function programOf({ image, command, args }: ContainerSpec): Program {
  const name = imageName(image)
  if (command !== undefined && command.length > 0) return found([...command, ...(args ?? [])], image)
  const entrypoint = ENTRYPOINTS[name]
  if (entrypoint !== undefined) {
    const argv = [...entrypoint, ...(args ?? [])]
    const port = listeningPort(argv)
    return port === undefined ? { argv } : { argv, listensOn: port }
  }
  if (args !== undefined && args.length > 0 && SHELL_IMAGES.includes(name)) return found([...args], image)
  if (SHELL_IMAGES.includes(name)) return { argv: PAUSE, note: `${image} without a command: sleeping` }
  return { argv: PAUSE, note: `the lab has no program for the image ${image}: sleeping` }
}

/** Where one of the lab's servers listens, from its command line. */
function listeningPort(argv: readonly string[]): number | undefined {
  const [, server = '', first] = argv
  if (server.endsWith('nginx.ts')) return Number(first ?? 80)
  if (!server.endsWith('agnhost.ts') || (first !== 'netexec' && first !== 'serve-hostname')) return undefined
  const given = argv.find((word) => word.startsWith('--http-port=') || word.startsWith('--port='))
  return given === undefined ? (first === 'netexec' ? 8080 : 9376) : Number(given.split('=')[1])
}

/** The program on this machine, or as an applet of busybox. */
function found(argv: readonly string[], image: string): Program {
  const [program = ''] = argv
  if (program.includes('/') ? existsSync(program) : isOnPath(program)) return { argv }
  const applet = program.split('/').at(-1) ?? ''
  if (BUSYBOX_APPLETS.has(applet)) return { argv: [BUSYBOX, applet, ...argv.slice(1)] }
  return { argv: PAUSE, note: `${program} of ${image} is not on this machine: sleeping` }
}

function isOnPath(program: string): boolean {
  const directories = (process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin').split(':')
  return program !== '' && directories.some((directory) => existsSync(join(directory, program)))
}

const BUSYBOX_APPLETS = new Set([
  'httpd',
  'nc',
  'netstat',
  'nslookup',
  'ping',
  'ping6',
  'telnet',
  'traceroute',
  'wget',
  'udhcpc',
  'vi',
  'ash',
  'arping',
  'ip',
  'less',
])
