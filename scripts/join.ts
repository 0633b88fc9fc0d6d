// `npm run join`: makes two plants one. A running site invites, another running site joins by the token.
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { callApi, errorMessage, type Credentials } from './api-client.ts';
import { namedAddress, readEndpoint } from './endpoint.ts';
import { invite, join as joinFederation } from './federation-client.ts';

export { invite, join } from './federation-client.ts';

const USAGE = `usage: npm run join -- --invite [--data FOLDER] [--api URL]
       npm run join -- --token TOKEN [--data FOLDER] [--api URL]
       npm run join -- --status [--data FOLDER] [--api URL]

Makes two plants one: any endpoint then answers for every partition. Both sites must be running.

  1. on a site of the federation:   npm run -s join -- --invite
     prints a token, good for one site and 15 minutes. Who has it can join: pass it on like a password.
  2. on the site that joins:        npm run join -- --token hanse1.…
     It takes over the federation's authority and HMAC keys, and starts again. If partition ids, network ids
     or prefixes meet, nothing is changed and each collision is listed. May be repeated if it was interrupted.

  --invite       make a token
  --token TOKEN  join with it (- reads it from standard input)
  --status       who belongs to the federation, and who can be reached
  --data FOLDER  folder of the site, with its admin key: data/sites/<site>
  --api URL      REST address of the site itself, not of a router
  --help

Without --data and --api it is the first site of the plant that \`npm start\` runs. METALCTL_API_URL, METALCTL_HMAC
and METALCTL_HMAC_AUTH_TYPE are used where no --data is given.`;

/** One sentence for the person at the terminal; no stack. */
class Problem extends Error {}

interface Place {
  url: string;
  /** Read anew each time: the keys change with the join. */
  credentials(): Credentials;
}

/** The admin key of a site, from its folder. */
export function credentialsIn(siteFolder: string): Credentials {
  const file = join(siteFolder, 'identity', 'hmac.json');
  try {
    const { hmac } = JSON.parse(readFileSync(file, 'utf8')) as { hmac: { admin: string } };
    return { user: 'Metal-Admin', key: hmac.admin };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? message);
    throw new Problem(`no admin key in ${file} (${why}): --data names the folder of a site that was started once`);
  }
}

/** Where the site is, and what signs requests to it. */
export function placeOf(
  given: { data?: string | undefined; api?: string | undefined },
  environment: NodeJS.ProcessEnv = process.env,
): Place {
  const endpoint = readEndpoint();
  const [first] = Object.keys(endpoint?.sites ?? {});
  if (given.data !== undefined) {
    const folder = resolve(given.data);
    const url = namedAddress(given.api, {}) ?? endpoint?.sites[basename(folder)];
    if (url === undefined) {
      throw new Problem(`the address of the site in ${folder} is not known: give it with --api URL`);
    }
    return { url, credentials: () => credentialsIn(folder) };
  }
  const url = namedAddress(given.api, environment) ?? (first === undefined ? undefined : endpoint?.sites[first]);
  const key = environment['METALCTL_HMAC'] ?? endpoint?.keys.admin;
  if (url === undefined || key === undefined) {
    throw new Problem('no running site is known here: run `npm start` first, or give --data FOLDER and --api URL');
  }
  const user = environment['METALCTL_HMAC_AUTH_TYPE'] ?? 'Metal-Admin';
  return { url, credentials: () => ({ user, key }) };
}

interface Status {
  site: string;
  partitions: string[];
  members: Array<{ site: string; partitions: string[]; up: boolean; lastFailure: string | null }>;
}

async function statusOf(place: Place): Promise<Status> {
  const answer = await callApi(place.url, place.credentials(), 'GET', '/v2/federation', undefined, {
    timeoutMs: 5_000,
  });
  if (answer.status !== 200) throw new Problem(`${place.url} answers ${answer.status}: ${errorMessage(answer.text)}`);
  return JSON.parse(answer.text) as Status;
}

function show({ site, partitions, members }: Status): void {
  const line = (name: string, has: readonly string[], state: string): string =>
    `${name.padEnd(12)} ${state.padEnd(14)} ${has.length === 0 ? 'no partition yet' : `partition ${has.join(', ')}`}`;
  console.log(line(site, partitions, 'this site'));
  for (const member of members) console.log(line(member.site, member.partitions, member.up ? 'up' : 'not reached'));
  const lost = members.find(({ up, lastFailure }) => !up && lastFailure !== null);
  if (lost !== undefined) console.log(`\nsite ${lost.site}: ${lost.lastFailure}`);
}

const RESTART_MS = 60_000;

/** Until the site is back with its new keys and has met somebody. */
async function untilMember(place: Place): Promise<Status> {
  const deadline = Date.now() + RESTART_MS;
  for (;;) {
    const status = await statusOf(place).catch(() => undefined);
    if (status !== undefined && status.members.some(({ up }) => up)) return status;
    if (Date.now() > deadline) {
      throw new Problem(
        `the site joined, but is not back as a member after ${RESTART_MS / 1_000} s. Whatever starts it (launcher, PM2, systemd) must start it again after exit code 75; --status shows how it is`,
      );
    }
    await new Promise((again) => setTimeout(again, 200));
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8').trim();
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      invite: { type: 'boolean', default: false },
      status: { type: 'boolean', default: false },
      token: { type: 'string' },
      data: { type: 'string' },
      api: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const wishes = [values.invite, values.status, values.token !== undefined].filter(Boolean).length;
  if (values.help || wishes !== 1) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const place = placeOf(values);
  if (values.status) show(await statusOf(place));
  if (values.invite) console.log(await invite(place.url, place.credentials()));
  if (values.token === undefined) return 0;
  const token = values.token === '-' ? await readInput() : values.token;
  const reasons = await joinFederation(place.url, place.credentials(), token);
  if (reasons !== undefined) {
    console.error(`the site does not join:\n${reasons.map((reason) => `  ${reason}`).join('\n')}`);
    return 1;
  }
  // Without the folder the new keys are not known here.
  if (values.data === undefined) {
    console.log('joined; the site starts again with the keys of the federation, which sign from now on');
    return 0;
  }
  console.log('joined; the site starts again …');
  show(await untilMember(place));
  return 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await main().catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    const refused = code === 'ECONNREFUSED' ? `the site does not answer (${message}): is it running?` : message;
    console.error(`error: ${refused}`);
    return String(code).startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  });
}
