// A site that holds very many addresses, without having handed them out one by one: the rows that it would have written,
// copied from one that it did write.
import { withDatabase, type BenchDatabase } from './database.ts';
import { makeNetwork, makePartition, startPlant, type Plant, type Remains } from './plant.ts';

export const FILLED = 'filled';
/** Of 16 million addresses. */
export const FILLED_PREFIX = '10.0.0.0/8';
const FILL_MS = 300_000;

/**
 * From the row of 10.0.0.2 on: each as the one before but for its address, the unique id (its first part is a time, so
 * they ascend as time-ordered ids do) and the version, which counts up within the epoch that wrote the model.
 */
const FILL = `insert into ip (scope, key, owner, version, prev, released, body, changed, released_at, network, address, project, standing)
select m.scope, m.owner || '|' || a.text, m.owner, m.version + i, m.prev, m.released,
  m.body || jsonb_build_object('address', a.text, 'uuid', left(m.body ->> 'uuid', 24) || lpad(to_hex(i), 12, '0')),
  m.changed, m.released_at, m.network, decode(lpad(to_hex(167772162 + i), 8, '0'), 'hex'), m.project, m.standing
from ip m, generate_series(1, $1::int4) i, lateral (select host('10.0.0.2'::inet + i) as text) a
where m.owner = '${FILLED}' and m.body ->> 'address' = '10.0.0.2'`;

/** Columns of a row but for what differs from one to the next, as one text. */
const SHAPE = `select (to_jsonb(r) - array['key', 'version', 'body', 'changed', 'address'])::text || array(
  select jsonb_object_keys(r.body) order by 1)::text || length(r.body ->> 'uuid') || octet_length(r.address) as shape
from ip r where r.owner = '${FILLED}' and r.body ->> 'address' = $1::text`;

/** Answers the bytes of a row on disk, with its indexes. */
const fill = (databaseUrl: string, count: number): Promise<number> =>
  withDatabase(databaseUrl, FILL_MS, async (sql) => {
    await sql.unsafe(FILL, [count]);
    // What the server would do by itself in the middle of the measuring.
    await sql.unsafe('vacuum analyze ip');
    await sql.unsafe('checkpoint');
    const [size] = await sql.unsafe<Array<{ bytes: number }>>(
      `select (pg_total_relation_size('ip') / count(*))::float8 as bytes from ip`,
    );
    return size?.bytes ?? NaN;
  });

/** Compares a row that was copied with one that the site wrote behind it. */
const compareRows = (databaseUrl: string, copied: string, written: string): Promise<void> =>
  withDatabase(databaseUrl, 30_000, async (sql) => {
    const shapeOf = async (address: string): Promise<string | undefined> =>
      (await sql.unsafe<Array<{ shape: string }>>(SHAPE, [address]))[0]?.shape;
    const [ours, theirs] = [await shapeOf(copied), await shapeOf(written)];
    if (ours === undefined || ours !== theirs) {
      throw new Error(`the rows that were copied are not those that the site writes:\n${ours}\n${theirs}`);
    }
  });

/** The address of that number in the prefix. */
export const textOf = (offset: number): string => `10.${offset >> 16}.${(offset >> 8) & 255}.${offset & 255}`;

/** What a request for an address of a network says. */
export const acquisition = (networkid: string, projectid: string) => ({
  networkid,
  projectid,
  name: 'bench',
  type: 'ephemeral',
  description: '',
});

/** The site's remains, stopped, with so many rows; `before` makes what else it should have. */
export async function fillSite(
  database: BenchDatabase,
  held: number,
  before: (plant: Plant, project: string) => Promise<void> = () => Promise.resolve(),
): Promise<{ remains: Remains; project: string; rowBytes: number }> {
  const plant = await startPlant({ database });
  try {
    const { project } = await makePartition(plant);
    await makeNetwork(plant, { id: FILLED, project, prefix: FILLED_PREFIX });
    await before(plant, project);
    for (let n = 0; n < 2; n++) await plant.call('POST', '/v1/ip/allocate', acquisition(FILLED, project));
    const remains = await plant.leave();
    const rowBytes = await fill(remains.databaseUrl, held - 2);
    return { remains, project, rowBytes };
  } catch (error) {
    await plant.stop();
    throw error;
  }
}

/** A site whose network `FILLED` holds so many addresses and is in memory. */
export async function startFilled(database: BenchDatabase, held: number): Promise<{ plant: Plant; project: string }> {
  const { remains, project } = await fillSite(database, held);
  const plant = await startPlant({ database, remains });
  try {
    const body = acquisition(FILLED, project);
    const { ipaddress } = await plant.call<{ ipaddress: string }>('POST', '/v1/ip/allocate', body);
    if (ipaddress !== textOf(held + 1)) throw new Error(`${held} addresses are held, and the next one is ${ipaddress}`);
    await compareRows(remains.databaseUrl, textOf(held), ipaddress);
    return { plant, project };
  } catch (error) {
    await plant.stop();
    throw error;
  }
}
