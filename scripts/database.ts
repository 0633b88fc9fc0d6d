// The bundled database server as a process of its own, for PM2 and systemd: runs until it is told to end.
import { join } from 'node:path';
import { dataFolder } from './endpoint.ts';
import { createLogger } from './log.ts';
import { keepEngine } from './start/database.ts';

const log = createLogger('database');
const keeper = await keepEngine({
  dataDir: join(dataFolder(), 'database'),
  log: (line) => log.info(line),
  onDeath: () => log.error('the database died and is started again'),
});
log.info({ host: new URL(keeper.url('postgres')).host }, 'ready');
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => void keeper.stop().then(() => process.exit(0)));
}
