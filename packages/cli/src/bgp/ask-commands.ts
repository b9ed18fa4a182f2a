import type { PeerDetail, PeerStatus, RouteTable } from 'bgp-js'
import { type Command, Option } from 'commander'
import { peerText } from './peer-text.ts'
import { isSilent, peersText } from './peers-text.ts'
import { LEGEND, RoutesText } from './routes-text.ts'
import { SpeakerClient } from './speaker-client.ts'

const DEFAULT_URL = 'http://127.0.0.1:9180'
const TABLES: readonly RouteTable[] = ['locRib', 'adjRibIn', 'adjRibOut']
/** So many peers that are sent nothing are asked why. */
const MAX_DETAILS = 20

interface AskOptions {
  readonly url: string
  readonly output: 'table' | 'json'
}

interface RoutesOptions extends AskOptions {
  readonly peer?: string
  readonly family?: string
  readonly table?: RouteTable
  readonly prefix?: string
}

/** `margay bgp peers|routes|explain`: asks a running speaker. */
export function addAskCommands(bgp: Command): void {
  withAskOptions(bgp.command('peers [address]').description('the peers of a running speaker, or all about one')).action(
    async (address: string | undefined, { url, output }: AskOptions) => {
      const client = new SpeakerClient(url)
      if (address === undefined) await showPeers(client, output)
      else await showPeer(client, address, output)
    },
  )
  withAskOptions(bgp.command('routes').description('the routes of a running speaker'))
    .addOption(new Option('--table <table>', 'default: locRib, with --peer adjRibIn').choices(TABLES))
    .option('--peer <address>', 'of this peer alone')
    .addOption(new Option('--family <family>', 'of this family alone').choices(['ipv4', 'ipv6']))
    .option('--prefix <prefix>', 'this prefix alone')
    .action(async (options: RoutesOptions) => showRoutes(new SpeakerClient(options.url), options))
  withAskOptions(
    bgp.command('explain <prefix>').description('why a prefix or an address goes where it goes, and who is told'),
  ).action(async (prefix: string, { url, output }: AskOptions) => {
    // It brings the whole speaker along, which no other command needs.
    const { explanationText } = await import('./explanation-text.ts')
    const explanation = await new SpeakerClient(url).explain(prefix)
    await print(output === 'json' ? json(explanation) : explanationText(explanation))
  })
}

const withAskOptions = (command: Command): Command =>
  command
    .addOption(new Option('--url <url>', 'where the speaker serves HTTP').env('MARGAY_BGP_URL').default(DEFAULT_URL))
    .addOption(new Option('-o, --output <format>', 'table or json').choices(['table', 'json']).default('table'))

async function showPeers(client: SpeakerClient, output: AskOptions['output']): Promise<void> {
  const peers = await client.peers()
  if (output === 'json') {
    await print(json({ peers }))
    return
  }
  const silent = peers.filter(isSilent).slice(0, MAX_DETAILS)
  const details = await Promise.all(silent.map(async (peer) => detailOf(client, peer)))
  const known = details.filter((detail) => detail !== undefined)
  const byAddress = new Map(known.map((detail) => [detail.address, detail]))
  await print(peersText(await client.speaker(), peers, byAddress, new Date()))
}

/** Undefined when the peer went away in the meantime. */
async function detailOf(client: SpeakerClient, { address }: PeerStatus): Promise<PeerDetail | undefined> {
  return client.peer(address).catch(() => undefined)
}

async function showPeer(client: SpeakerClient, address: string, output: AskOptions['output']): Promise<void> {
  const peer = await client.peer(address)
  await print(output === 'json' ? json(peer) : peerText(peer, new Date()))
}

async function showRoutes(client: SpeakerClient, options: RoutesOptions): Promise<void> {
  const { peer, family, prefix, output } = options
  const table = options.table ?? (peer === undefined ? 'locRib' : 'adjRibIn')
  const query = Object.entries({ table, peer, family, prefix }).filter((entry): entry is [string, string] => !!entry[1])
  const text = new RoutesText(table)
  let before = output === 'json' ? `{"${table}":[` : table === 'locRib' ? `${LEGEND}\n` : ''
  for await (const page of client.routes(Object.fromEntries(query))) {
    const entries = page[table]
    if (output === 'table') await print(before + text.render(page))
    else if (entries.length > 0) await print(before + entries.map((entry) => JSON.stringify(entry)).join(',\n'))
    else continue
    before = output === 'json' ? ',\n' : ''
  }
  if (output === 'json') await print(`${before === ',\n' ? '' : before}]}\n`)
}

const json = (value: unknown): string => `${JSON.stringify(value)}\n`

/** Waits until the reader keeps step; one that has gone away (`| head`) ends the process in peace. */
async function print(text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error === undefined || error === null) resolve()
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
      else reject(error)
    })
  })
}
