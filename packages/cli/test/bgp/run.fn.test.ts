import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const MARGAY = fileURLToPath(new URL('../../bin/margay', import.meta.url))

interface LogLine {
  readonly msg: string
  readonly http?: { readonly port: number }
  readonly err?: { readonly message: string }
}

test('SIGHUP has it read its configuration again; a bad one changes nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'margay-run-'))
  const file = join(directory, 'speaker.json')
  const write = async (more: object): Promise<void> =>
    writeFile(file, JSON.stringify({ asn: 65001, routerId: '10.0.0.1', listen: [], http: '127.0.0.1:0', ...more }))
  await write({ networks: ['10.1.0.0/16'] })
  const child = spawn(MARGAY, ['bgp', 'run', '--config', file], { stdio: ['ignore', 'inherit', 'pipe'] })
  const lines = createInterface(child.stderr)[Symbol.asyncIterator]()
  const said = async (message: string): Promise<LogLine> => {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a line at a time
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`it ended before it said: ${message}`)
      const line = JSON.parse(value) as LogLine
      if (line.msg === message) return line
    }
  }
  try {
    const port = (await said('BGP speaker runs')).http?.port
    const prefixes = async (): Promise<string[]> => {
      const response = await fetch(`http://127.0.0.1:${port}/routes`)
      const { locRib } = (await response.json()) as { locRib: { prefix: string }[] }
      return locRib.map(({ prefix }) => prefix)
    }
    expect(await prefixes()).toEqual(['10.1.0.0/16'])
    await write({ networks: ['10.2.0.0/16'] })
    child.kill('SIGHUP')
    await said('read the configuration again')
    expect(await prefixes()).toEqual(['10.2.0.0/16'])
    for (const [bad, named] of [
      [{ asn: 65002 }, 'asn'],
      [{ http: '127.0.0.1:1' }, 'http'],
      [{ neighbours: [] }, 'neighbours'],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await write(bad)
      child.kill('SIGHUP')
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await said('the configuration stays as it was')).err?.message).toContain(named)
    }
    await writeFile(file, '{')
    child.kill('SIGHUP')
    expect((await said('the configuration stays as it was')).err?.message).toContain('is not JSON')
    expect(await prefixes()).toEqual(['10.2.0.0/16'])
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
    await rm(directory, { recursive: true })
  }
})
