// What an actor throws: told to its supervisor, and the message that it throws at again and again set aside.
import { addressText } from '../../address.ts';
import type { World } from '../../ports.ts';
import { countCrash, type Cell } from '../cell.ts';
import { MAIN, type Pipe } from '../envelope.ts';
import { createSupervision } from '../supervision.ts';
import type { TurnHost } from '../turn.ts';

export interface CrashesOptions {
  world: World;
  shard: number;
  pipe(to: number): Pipe | undefined;
  log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void;
}

export interface Crashes extends Pick<TurnHost, 'crashed' | 'quarantine'> {
  stop(): void;
}

export function createCrashes({ world, shard, pipe, log }: CrashesOptions): Crashes {
  const supervision = createSupervision(shard);

  return {
    crashed(cell: Cell, error: unknown) {
      const times = countCrash(cell);
      supervision.crashed(cell.address.scope, cell.address.kind, {
        actor: addressText(cell.address),
        error,
        times,
        restart: () => {},
        log: (message, fields) => log('error', message, fields),
        quarantine: () => {
          log('error', 'actor crashed again and again', { actor: addressText(cell.address), times });
        },
      });
    },
    quarantine(cell, mail, error) {
      const id = world.uuid();
      pipe(MAIN)?.send({
        m: 'quarantined',
        message: {
          id,
          shard,
          to: cell.address,
          name: mail.name,
          body: mail.body,
          who: mail.who,
          isDry: mail.dry,
          isReservation: mail.reserve !== null,
          error: error instanceof Error ? error.message : String(error),
          crashes: mail.crashes,
          atMs: world.wallMs(),
        },
        ask: mail.ask,
        isPart: mail.from !== MAIN,
      });
      return id;
    },
    stop: () => supervision.stop(),
  };
}
