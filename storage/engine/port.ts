import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { engineProblem } from './problem.ts';

export const isPortFree = (port: number): Promise<boolean> =>
  new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => answer(true)));
  });

/** Below the range from which systems take ports for outgoing connections, so that it is still free at the next start. */
const choosePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(20_000, 30_000);
    if (await isPortFree(port)) return port;
  }
  throw engineProblem(
    'port',
    'found no free port between 20000 and 30000 on 127.0.0.1 for the bundled PostgreSQL: free one, or give one',
  );
};

/** The message when the port the operator asked for is taken. */
export const portTaken = (port: number): Error =>
  engineProblem(
    'port',
    `port ${port} on 127.0.0.1 is in use by another program: stop that one, or choose another port for the bundled PostgreSQL`,
  );

const keptPort = (folder: string): number | undefined => {
  try {
    return Number(readFileSync(join(folder, 'port'), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
};

/** The wanted port; else the one used last, so that a restart keeps the address; else a free one. Written into the folder. */
export const portFor = async (folder: string, wanted: number | undefined): Promise<number> => {
  if (wanted !== undefined && !(await isPortFree(wanted))) throw portTaken(wanted);
  const kept = wanted ?? keptPort(folder);
  const port = kept !== undefined && (await isPortFree(kept)) ? kept : await choosePort();
  writeFileSync(join(folder, 'port'), `${port}\n`);
  return port;
};
