// Outcomes of requests that had an Idempotency-Key: looked up before they are executed, swept after their retention.
import type { KeyedOutcome } from '../actors/ports.ts';
import { arrayLiteral } from './array.ts';
import type { Pool } from './driver/pool.ts';

export const FIND_OUTCOMES = `select i.identity, i.key, i.request, i.operation, i.reply, (extract(epoch from i.at) * 1000)::int8 as "atMs"
from unnest($1::text[], $2::text[]) as w (identity, key) join idempotency i on i.identity = w.identity and i.key = w.key`;

interface Waiting {
  identity: string;
  key: string;
  resolve(found: KeyedOutcome | undefined): void;
  reject(error: unknown): void;
}

const MOST = 256;

const nameOf = ({ identity, key }: { identity: string; key: string }): string => `${identity}\0${key}`;

/**
 * Looks outcomes up. One statement is under way at a time, the next one asks for all that waited meanwhile: a lookup a
 * request would double what a small request costs the database.
 */
export function createOutcomeReader(pool: Pool): (identity: string, key: string) => Promise<KeyedOutcome | undefined> {
  let waiting: Waiting[] = [];
  let isReading = false;

  async function read(): Promise<void> {
    isReading = true;
    while (waiting.length > 0) {
      const asked = waiting.splice(0, MOST);
      try {
        const rows = await pool.run<KeyedOutcome & { reply: string }>(
          FIND_OUTCOMES,
          [arrayLiteral(asked.map(({ identity }) => identity)), arrayLiteral(asked.map(({ key }) => key))],
          { prepare: true },
        );
        const found = new Map(
          rows.map((row) => [nameOf(row), { ...row, reply: JSON.parse(row.reply) as unknown }] as const),
        );
        for (const one of asked) one.resolve(found.get(nameOf(one)));
      } catch (error) {
        for (const one of asked) one.reject(error);
      }
    }
    isReading = false;
  }

  return (identity, key) =>
    new Promise((resolve, reject) => {
      waiting.push({ identity, key, resolve, reject });
      if (!isReading) void read();
    });
}
