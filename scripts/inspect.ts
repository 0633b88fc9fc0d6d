// `npm run -s inspect -- actors`: how the running sites are, for people and (with -o json) for programs.
import { pathToFileURL } from 'node:url';
import { Command, Option } from 'commander';
import { KINDS, partitionScope, siteScope } from '../actors/address.ts';
import { isUnder } from '../actors/runtime/quarantine.ts';
import { showAudit } from './inspect/audit-view.ts';
import { askSite, Problem, targetsOf, type Target, type Wish } from './inspect/target.ts';
import {
  showDropped,
  showQuarantine,
  showRetried,
  type QuarantineAnswer,
  type DroppedAnswer,
  type RetriedAnswer,
} from './inspect/quarantine.ts';
import * as actorViews from './inspect/actor-views.ts';
import * as views from './inspect/views.ts';
import { bold } from './start/screen.ts';
import type { ActorTree } from './site/inspect/actors.ts';
import type { AuditView } from './site/audit.ts';
import type { ConflictsView } from './site/inspect/conflicts.ts';

interface Options extends Wish {
  output: 'table' | 'json';
}

const EXAMPLES = `
Examples:
  npm run -s inspect                                  the sites at a glance
  npm run -s inspect -- actors --kind network         networks in memory, the busy ones first
  npm run -s inspect -- actor network/internet        one actor: state, mailbox, its last messages
  npm run -s inspect -- audit --site muc              is everything conserved? exit code 1 if not
  npm run -s inspect -- log -o json                   a list, one answer a site

Asks every site of the plant that \`npm start\` runs, or the one that --site names. Elsewhere --api and --data name
a site, or METALCTL_API_URL and METALCTL_HMAC do. It needs the admin role.`;

/** The id of a scope stands for every scope that has it. */
const scopesOf = (text: string): string[] => (text.includes(':') ? [text] : [partitionScope(text), siteScope(text)]);

export function createProgram(print: (text: string) => void = console.log): Command {
  const program = new Command('inspect')
    .description('Shows how running sites are: actors, ownership, log, links, blocks, and whether all adds up.')
    .usage('[view] [options]')
    .option('--site <ID>', 'only this site')
    .option('--api <URL>', 'REST address of a site, not of a router')
    .option('--data <FOLDER>', 'folder of the site, with its admin key: data/sites/<site>')
    .addOption(new Option('-o, --output <FORM>', 'as a table or as json').choices(['table', 'json']).default('table'))
    .addHelpText('after', EXAMPLES)
    .helpCommand(false)
    .enablePositionalOptions(false)
    .showHelpAfterError('(--help shows all views)');

  /** Asks all sites at once; who does not answer does not hide the others. */
  async function each<T>(
    path: string,
    show: (answer: T) => string,
    isBad: (answer: T) => boolean = () => false,
  ): Promise<void> {
    const options = program.opts<Options>();
    const targets = targetsOf(options);
    const answers = await Promise.allSettled(targets.map((target) => askSite<T>(target, path)));
    const good = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (options.output === 'json') print(JSON.stringify(good, null, 2));
    for (const [i, answer] of answers.entries()) {
      if (answer.status === 'rejected') {
        const { message } = answer.reason as Error;
        console.error(`error: ${message}`);
        process.exitCode = 1;
      } else if (options.output === 'table') {
        if (targets.length > 1) print(`${i === 0 ? '' : '\n'}${bold(`── site ${(targets[i] as Target).name} ──`)}\n`);
        print(show(answer.value));
      }
    }
    if (good.some(isBad)) process.exitCode = 1;
  }

  /** What only one site answers; as json it is a list all the same. */
  const printOne = <T>(answer: T, show: (answer: T) => string): void =>
    print(program.opts<Options>().output === 'json' ? JSON.stringify([answer], null, 2) : show(answer));

  const view = (name: string, description: string): Command =>
    program.command(name).description(description).allowExcessArguments(false);

  program.allowExcessArguments(true).action(async (_options: Options, { args }: Command) => {
    if (args[0] !== undefined) program.error(`error: there is no view "${args[0]}"`);
    await each('/v2/inspect', views.showOverview);
  });

  view('actors', 'actors in memory, by scope and kind: mailbox, turn times, crashes, last message')
    .option('--scope <SCOPE>', 'partition:muc, site:muc, or only muc')
    .addOption(new Option('--kind <KIND>', 'only actors of this kind').choices(KINDS))
    .option('--id <TEXT>', 'only actors whose id contains it')
    .option('--limit <N>', 'most actors of a kind that are listed', '20')
    .action(({ scope, ...filter }: Record<string, string>) => {
      const query = new URLSearchParams(filter);
      for (const one of scope === undefined ? [] : scopesOf(scope)) query.append('scope', one);
      return each<ActorTree>(`/v2/inspect/actors?${String(query)}`, actorViews.showActors);
    });

  view('actor', 'one actor in full: KIND/ID, or SCOPE/KIND/ID where several scopes have one')
    .argument('<actor>', 'network/internet, partition:muc/allocator/muc, …')
    .action(async (text: string) => {
      printOne(await findActor(targetsOf(program.opts<Options>()), text), actorViews.showActor);
    });

  view('shards', 'worker threads: groups sent, refused and in doubt, queue, loop delay').action(() =>
    each('/v2/inspect/shards', actorViews.showShards),
  );
  view('leases', 'who is the active process, who stands by, and the epochs').action(() =>
    each('/v2/inspect/leases', views.showLeases),
  );
  view('log', 'streams of the log and how far its readers are').action(() => each('/v2/inspect/log', views.showLog));
  view('links', 'links to the other sites: state, round trip, clocks').action(() =>
    each('/v2/inspect/links', views.showLinks),
  );
  view('blocks', 'blocks of global networks: who holds which').action(() =>
    each('/v2/inspect/blocks', views.showBlocks),
  );
  view(
    'quarantine',
    'messages that were set aside: their actor threw at them, or their thread died of them, thrice; equal ones are refused. A process that starts anew has forgotten them',
  ).action(() => each<QuarantineAnswer>('/v2/inspect/quarantine', showQuarantine));
  view('retry', 'has a message of the quarantine tried again, and shows what came of it')
    .argument('<id>', 'as in the list of the quarantine')
    .action(async (id: string) => {
      printOne(await onItsSite<RetriedAnswer>(program, id, 'POST', '/retry'), (one) => showRetried(id, one));
    });
  view('drop', 'forgets a message of the quarantine: one that is equal is let in as any other')
    .argument('<id>', 'as in the list of the quarantine')
    .action(async (id: string) => {
      printOne(await onItsSite<DroppedAnswer>(program, id, 'DELETE', ''), showDropped);
    });
  view(
    'conflicts',
    'directory ids that were created at two sites while they were cut apart; exit code 1 if an entry could not be read',
  ).action(() => each<ConflictsView>('/v2/inspect/conflicts', views.showConflicts, ({ unread }) => unread.length > 0));
  view('audit', 'whether everything is conserved, in the rows and in memory; exit code 1 if something is not')
    .option('--entries <N>', 'log entries that are folded, the newest ones', '20000')
    .option('--actors <N>', 'actors of each shard that are compared with their rows', '500')
    .action((limits: Record<string, string>) =>
      each<AuditView>(`/v2/inspect/audit?${String(new URLSearchParams(limits))}`, showAudit, ({ isSound }) => !isSound),
    );
  return program;
}

/** Does something with a message of the quarantine, at the site where it lies. */
async function onItsSite<T>(program: Command, id: string, method: string, below: string): Promise<T> {
  const targets = targetsOf(program.opts<Options>());
  for (const target of targets) {
    const { quarantine } = await askSite<{ quarantine: Array<{ id: string; also?: string[] }> }>(
      target,
      '/v2/inspect/quarantine',
    );
    if (quarantine.some((message) => isUnder(message, id)))
      return await askSite<T>(target, `/v2/inspect/quarantine/${encodeURIComponent(id)}${below}`, method);
  }
  throw new Problem(`no message "${id}" lies in quarantine at ${targets.map(({ name }) => name).join(', ')}`);
}

type Found = Parameters<typeof actorViews.showActor>[0];

/** The one actor that is meant, wherever it is in memory. */
async function findActor(targets: readonly Target[], text: string): Promise<Found> {
  const parts = text.split('/');
  const isFull = parts[0]?.includes(':') ?? false;
  const [scope, kind, ...rest] = isFull ? parts : [undefined, ...parts];
  const id = rest.join('/');
  if (kind === undefined || id === '')
    throw new Problem(
      `"${text}" names no actor: expected KIND/ID or SCOPE/KIND/ID, such as network/internet or partition:muc/network/internet`,
    );
  const query = new URLSearchParams({ kind, id, limit: '1000', ...(scope === undefined ? {} : { scope }) });
  const matches: Array<{ target: Target; scope: string }> = [];
  for (const target of targets) {
    const tree = await askSite<ActorTree>(target, `/v2/inspect/actors?${String(query)}`);
    for (const { scope: at, kinds } of tree.scopes)
      if (kinds.some(({ actors }) => actors.some((actor) => actor.id === id))) matches.push({ target, scope: at });
  }
  const [only, second] = matches;
  if (only === undefined)
    throw new Problem(
      `no ${kind} "${id}"${scope === undefined ? '' : ` of ${scope}`} is in memory: actors are loaded when they are asked for something`,
    );
  if (second !== undefined)
    throw new Problem(
      `${kind} "${id}" is in several scopes, name one: ${matches.map((match) => `${match.scope}/${kind}/${id}`).join(', ')}`,
    );
  const one = new URLSearchParams({ scope: only.scope, kind, id });
  return askSite<Found>(only.target, `/v2/inspect/actor?${String(one)}`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  // `| head` has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    throw error;
  });
  await createProgram()
    .parseAsync()
    .catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'Error') throw error;
      console.error(`error: ${error.message}`);
      process.exitCode = 1;
    });
}
