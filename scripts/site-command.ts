// `npm run -s site -- status`: looks after a site from outside of its processes: status, backup, restore.
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { dataFolder, namedAddress, readEndpoint } from './endpoint.ts';
import { acceptLoss } from './federation-client.ts';
import { credentialsIn } from './join.ts';
import { clock, duration } from './inspect/table.ts';
import { backupSite, requireRoom } from './site/backup.ts';
import { DamagedArchive } from './site/archive.ts';
import { openDatabase, placeOf, Problem, sitesIn } from './site/place.ts';
import { planRestore, requireEnded, restoreSite } from './site/restore.ts';
import { statusOf } from './site/status.ts';
import { statusText } from './site/status-text.ts';
import { bold, dim, green, yellow } from './start/screen.ts';

const EXAMPLES = `
Examples:
  npm run -s site -- status                            every site of this machine
  npm run -s site -- backup muc.hanse --site muc       while it runs, as of one moment
  npm run -s site -- restore muc.hanse --site muc      its processes must have ended

The site is found by its folder in the data folder (--data, or HANSE_DATA), its database is the bundled one, or the
server that DATABASE_URL names.`;

const NOT_UNDONE = `What a restore can't know: addresses and machines that were given out here after the backup. Global networks wait until
the site has compared its blocks, loans and directory with the other sites; what its blocks gave out after the backup
nobody knows, so they stay closed, and addresses come out of new ones, until \`npm run -s site -- accept-loss\`. Compare
with \`npm run -s inspect -- audit\`, and free or allocate anew what machines still use, before you let users in.`;

const ACCEPTED = `Addresses of global networks that this site gave out after the backup, and that no row of it tells of, may be given out
again. Make sure that no machine and no service still uses one.`;

interface Options {
  site?: string;
  data?: string;
}

const size = (bytes: number): string =>
  bytes < 1_048_576 ? `${Math.ceil(bytes / 1_024)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;

async function confirm(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim() === 'yes';
  } finally {
    terminal.close();
  }
}

export function createProgram(print: (text: string) => void = console.log): Command {
  const program = new Command('site')
    .description('Looks after a site from outside of its processes.')
    .option('--site <ID>', 'which site; the only one there is, if it is left out')
    .option('--data <FOLDER>', 'data folder of this machine (HANSE_DATA, else ./data)')
    .addHelpText('after', EXAMPLES)
    .helpCommand(false)
    .showHelpAfterError('(--help shows all commands)');

  program
    .command('status')
    .description('processes, address, members, database, keys; exit code 1 if no process is active')
    .option('--api <URL>', 'REST address of the site, where neither the launcher’s notes nor its database tell it')
    .addOption(new Option('-o, --output <FORM>', 'as text or as json').choices(['text', 'json']).default('text'))
    .action(async ({ api, output }: { api?: string; output: string }) => {
      const wish = program.opts<Options>();
      const data = dataFolder(wish.data === undefined ? process.env : { ...process.env, HANSE_DATA: wish.data });
      const all = wish.site === undefined ? sitesIn(data) : [wish.site];
      const places = all.length === 0 ? [placeOf(wish)] : all.map((site) => placeOf({ ...wish, site }));
      const found = [];
      for (const place of places) found.push(await statusOf(place, api));
      print(output === 'json' ? JSON.stringify(found, null, 2) : found.map(statusText).join('\n\n'));
      if (found.some(({ database }) => 'problem' in database || database.lease === null)) process.exitCode = 1;
    });

  program
    .command('backup')
    .description('writes the site’s whole database as of one moment, and its keys, into one file; it may go on working')
    .argument('<file>', 'is made with mode 0600: it holds private keys')
    .option('--force', 'replace the file if there is one', false)
    .action(async (file: string, { force }: { force: boolean }) => {
      const place = placeOf(program.opts<Options>());
      const path = resolve(file);
      requireRoom(path, force);
      const opened = await openDatabase(place);
      try {
        const startMs = performance.now();
        const { manifest, end, sizeBytes } = await backupSite(place, opened.url, path);
        const rows = Object.values(end.rows).reduce((sum, count) => sum + count, 0);
        print(
          `${green('written')} ${path}: site ${manifest.site} as of ${clock(manifest.atMs)}, ${rows} rows and ${end.files} key files, ${size(sizeBytes)}, ${duration(performance.now() - startMs)}`,
        );
      } finally {
        await opened.close();
      }
    });

  program
    .command('restore')
    .description('makes the site what the backup says; says first what will be lost, and asks')
    .argument('<file>', 'a backup of the same site')
    .option('--yes', 'do not ask', false)
    .option('--check', 'only look: is the file whole, and what would be lost', false)
    .option('--replace-keys', 'take the keys of the backup even if the site has others', false)
    .addHelpText('after', `\n${NOT_UNDONE}`)
    .action(async (file: string, options: { yes: boolean; check: boolean; replaceKeys: boolean }) => {
      const place = placeOf(program.opts<Options>());
      const path = resolve(file);
      if (!existsSync(path)) throw new Problem(`there is no file ${path}`);
      const opened = await openDatabase(place, { create: true });
      try {
        if (!options.check) await requireEnded(place, opened.url);
        const plan = await planRestore(place, opened.url, path);
        const { manifest, end, losses, keys } = plan;
        const rows = Object.values(end.rows).reduce((sum, count) => sum + count, 0);
        print(
          `${bold(path)}: site ${manifest.site} as of ${clock(manifest.atMs)}, version ${manifest.version}, ${manifest.server}, ${rows} rows; it is whole`,
        );
        print(
          losses.length === 0
            ? dim('the database is empty: nothing is lost')
            : losses.map((loss) => `${yellow('!')} ${loss}`).join('\n'),
        );
        if (keys === 'missing') print('its keys are missing here and are taken from the backup');
        if (keys === 'differ')
          print(
            options.replaceKeys
              ? `${yellow('!')} the site’s present keys are replaced by those of the backup`
              : 'the site has other keys now (it joined a federation since?); they stay, unless --replace-keys is given',
          );
        if (options.check) return;
        if (!options.yes && losses.length > 0 && !(await confirm('Type yes to go on: ')))
          throw new Problem('nothing was changed: --yes goes on without asking');
        const standing = await restoreSite(place, opened.url, path, plan, { replaceKeys: options.replaceKeys });
        print(
          `${green('restored')}; epochs begin above all that were: ${standing.epochs.map(({ scope, epoch }) => `${scope} ${epoch}`).join(', ')}\n\n${NOT_UNDONE}`,
        );
      } finally {
        await opened.close();
      }
    });
  program
    .command('accept-loss')
    .description('after a restore: what was given out after the backup is void, so its blocks give out again')
    .option('--api <URL>', 'REST address of the site, where the launcher’s notes do not tell it')
    .option('--without-peers', 'go on without the sites that can not be reached; what they hold stays theirs', false)
    .option('--yes', 'do not ask', false)
    .action(async ({ api, withoutPeers, yes }: { api?: string; withoutPeers: boolean; yes: boolean }) => {
      const place = placeOf(program.opts<Options>());
      const url = namedAddress(api, {}) ?? readEndpoint(place.data)?.sites[place.site];
      if (url === undefined) throw new Problem(`the address of site ${place.site} is not known here: --api URL`);
      print(ACCEPTED);
      if (!yes && !(await confirm('Type yes to go on: ')))
        throw new Problem('nothing was changed: --yes goes on without asking');
      const blocks = await acceptLoss(url, credentialsIn(place.folder), withoutPeers).catch((error: Error) => {
        throw new Problem(error.message);
      });
      print(`${green('accepted')}; blocks of site ${place.site} that give out again: ${blocks}`);
    });
  return program;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await createProgram()
    .parseAsync()
    .catch((error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException;
      if (error instanceof DamagedArchive) console.error(`error: the backup can't be used: ${message}`);
      else if (code === 'ENOENT' || error instanceof Problem || (error as Error).name !== 'TypeError')
        console.error(`error: ${message}`);
      else throw error;
      process.exitCode = 1;
    });
}
