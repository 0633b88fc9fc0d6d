// A plant of very many machines, without waiting until each of them has registered.
import { createPool } from '../../storage/driver/pool.ts';

/** Copies the rows of a machine, each with another id. The site must not run. */
export async function copyMachine(databaseUrl: string, template: string, count: number): Promise<void> {
  const pool = createPool(databaseUrl, {
    max: 1,
    isolation: 'read committed',
    applicationName: 'copies',
    statementTimeoutMs: 300_000,
    deadlineMs: 300_000,
  });
  for (const table of ['machine', 'provisioning']) {
    await pool.run(
      `insert into ${table} (scope, key, owner, version, prev, released, body, changed)
select r.scope, c.id, c.id, r.version, r.prev, false, replace(r.body::text, $1::text, c.id)::jsonb, r.changed
from ${table} r, (select md5(i::text)::uuid::text as id from generate_series(1, $2::int4) as g (i)) c
where r.key = $1::text and not r.released`,
      [template, count],
    );
  }
  // What the server would do by itself in the middle of the measuring.
  await pool.run('vacuum analyze');
  await pool.end();
}
