// The bundled database server as a process of its own, for PM2 and systemd: runs until it is told to end.
import { join } from 'node:path';
import { openPool } from '../storage/driver/open.ts';
import { dataFolder } from './endpoint.ts';
import { createLogger } from './log.ts';
import { keepEngine } from './start/database.ts';

/** PM2 ends everything at once: so long the sites may take to end what they accepted before their database goes. */
const LEAVE_MS = 15_000;
const LOOK_MS = 200;

const log = createLogger('database');
const keeper = await keepEngine({
  dataDir: join(dataFolder(), 'database'),
  log: (line) => log.info(line),
  onDeath: () => log.error('the database died and is started again'),
});
log.info({ host: new URL(keeper.url('postgres')).host }, 'ready');

/** Waits until nobody else is connected, `LEAVE_MS` at most. */
async function untilLeft(): Promise<void> {
  const sql = openPool(keeper.url('postgres'), {
    max: 1,
    isolation: 'read committed',
    applicationName: 'hanse database',
    statementTimeoutMs: 2_000,
  });
  const deadlineMs = performance.now() + LEAVE_MS;
  let told = false;
  try {
    for (;;) {
      const [row] = await sql.unsafe<Array<{ clients: number }>>(
        "select count(*)::int as clients from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      );
      const clients = row?.clients ?? 0;
      if (clients === 0) return;
      if (performance.now() > deadlineMs) return log.warn({ clients }, 'not everybody has left: stopping');
      if (!told) log.info({ clients, atMostMs: LEAVE_MS }, 'waiting for those who are connected to leave');
      told = true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

let isStopping = false;
async function stop(): Promise<void> {
  // Told twice: at once.
  if (!isStopping) {
    isStopping = true;
    await untilLeft().catch((error: Error) =>
      log.warn({ error: error.message }, 'nobody can be asked who is connected'),
    );
  }
  await keeper.stop();
  process.exit(0);
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());
