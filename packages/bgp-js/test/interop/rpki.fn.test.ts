import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import { RpkiValidator } from '../../src/rpki/rpki-validator.ts'
import { silentLog, systemClock } from '../../src/speaker/ports.ts'
import { eventually } from './eventually.ts'

/** A loopback address of this process alone: StayRTR can't be told to choose a port. */
const ADDRESS = `127.${((process.pid >> 16) & 63) | 64}.${(process.pid >> 8) & 255}.${process.pid & 255}`

class StayRtr implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'mgyrtr-'))
  readonly #child
  #log = ''

  constructor(roas: readonly object[], protocol: 0 | 1) {
    this.publish(roas)
    const addresses = ['-bind', `${ADDRESS}:8282`, '-metrics.addr', `${ADDRESS}:9847`]
    const options = ['-cache', this.#file, '-checktime=false', '-refresh', '1', '-protocol', String(protocol)]
    this.#child = spawn('stayrtr', [...addresses, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#log += chunk.toString()
      })
    }
  }

  get #file(): string {
    return join(this.#directory, 'vrps.json')
  }

  get log(): string {
    return this.#log
  }

  publish(roas: readonly object[]): void {
    writeFileSync(this.#file, JSON.stringify({ metadata: {}, roas }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await exited
    }
    rmSync(this.#directory, { recursive: true })
  }
}

const roa = (prefix: string, maxLength: number, asn: number): object => ({
  prefix,
  maxLength,
  asn: `AS${asn}`,
  ta: 'test',
})

test.for([1, 0] as const)('StayRTR, version %i: the table, and what changes in it', async (version) => {
  await using cache = new StayRtr([roa('192.0.2.0/24', 25, 65_001), roa('2001:db8::/32', 48, 65_002)], version)
  const changed: string[] = []
  const onChange = (prefixes: readonly Prefix[]): void => void changed.push(...prefixes.map(String))
  const config = { caches: [{ address: ADDRESS, port: 8282 }] }
  const validator = new RpkiValidator(config, { clock: systemClock, log: silentLog, onChange })
  validator.start()
  const describe = async (): Promise<unknown> => JSON.stringify(validator.status()) + cache.log
  try {
    await eventually('the table', async () => validator.size === 2, { describe })
    expect(validator.validate(Prefix.parse('192.0.2.0/25'), 65_001)).toBe('valid')
    expect(validator.validate(Prefix.parse('192.0.2.0/26'), 65_001)).toBe('invalid')
    expect(validator.validate(Prefix.parse('2001:db8:1::/48'), 65_002)).toBe('valid')
    expect(validator.status()).toMatchObject([{ version, connected: true }])
    cache.publish([roa('192.0.2.0/24', 25, 65_003), roa('2001:db8::/32', 48, 65_002)])
    const isNew = async (): Promise<boolean> => validator.validate(Prefix.parse('192.0.2.0/24'), 65_003) === 'valid'
    await eventually('the change', isNew, { describe })
    expect(validator.validate(Prefix.parse('192.0.2.0/24'), 65_001)).toBe('invalid')
    expect(new Set(changed.slice(2))).toEqual(new Set(['192.0.2.0/24']))
  } finally {
    validator.stop()
  }
})
