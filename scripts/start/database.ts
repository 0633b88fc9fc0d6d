// The bundled database server under somebody's eyes: who dies is started again, on the same port.
import { startEngine, type Engine } from '../../storage/engine/engine.ts';

export interface EngineKeeper {
  url(database: string): string;
  stop(): Promise<void>;
}

export interface KeepOptions {
  dataDir: string;
  onDeath(): void;
  log?(line: string): void;
}

const LOOK_MS = 200;
const RETRY_MS = 1_000;

/** Starts the server, or finds it running, and looks after it until `stop`. */
export async function keepEngine(options: KeepOptions): Promise<EngineKeeper> {
  const log = options.log ?? ((): void => {});
  let engine: Engine = await startEngine({ dataDir: options.dataDir, log });
  const port = engine.port;
  let stopping = false;
  let restarting: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout;
  /** The death was told; only what keeps it from coming back is, from then on. */
  let told = false;
  let lastReason = '';

  const look = (): void => {
    if (stopping) return;
    if (engine.isRunning()) {
      timer = setTimeout(look, LOOK_MS);
      return;
    }
    if (!told) options.onDeath();
    told = true;
    // The port is part of every process's URL, so it has to be the same one.
    restarting = startEngine({ dataDir: options.dataDir, port, log })
      .then((started) => {
        engine = started;
        told = false;
        lastReason = '';
        timer = setTimeout(look, LOOK_MS);
      })
      .catch((error: Error) => {
        if (error.message !== lastReason) log(`the database can't be started again: ${error.message}`);
        lastReason = error.message;
        timer = setTimeout(look, RETRY_MS);
      });
  };
  timer = setTimeout(look, LOOK_MS);

  return {
    url: (database) => engine.url(database),
    async stop() {
      stopping = true;
      clearTimeout(timer);
      await restarting;
      await engine.stop();
    },
  };
}
