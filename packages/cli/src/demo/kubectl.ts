import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The kubectl that the set-up unpacked. */
export const KUBECTL = join(import.meta.dirname, '../../../../node_modules/.cache/margay/bin/kubectl')

/** Runs the real kubectl against one lab. */
export class Kubectl {
  readonly #kubeconfig: string

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig
  }

  /** @returns stdout @throws with stderr when kubectl fails */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await run(KUBECTL, ['--kubeconfig', this.#kubeconfig, ...args], { maxBuffer: 16 * 1024 * 1024 })
    return stdout
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, '-o', 'json')) as T
  }

  /** @returns whether the command succeeded */
  async succeeds(...args: string[]): Promise<boolean> {
    try {
      await this.run(...args)
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && typeof error.code === 'number') return false
      throw error
    }
  }
}
