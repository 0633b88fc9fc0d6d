import assert from 'node:assert/strict';
import { createTraceStore, type TraceRow } from './trace.ts';
import { groupOf, ipChange } from './testing/samples.ts';
import { test } from './testing/register.ts';
import { testServers } from './testing/servers.ts';
import { withStores } from './testing/sessions.ts';

const row = (id: string, atMs: number, change: Partial<TraceRow> = {}): TraceRow => ({
  id,
  atMs,
  rqid: `rqid ${id}`,
  caller: 'ada',
  tenant: 't',
  method: 'POST',
  path: '/v1/ip/allocate',
  forwardedFor: '',
  remoteAddr: '::1',
  status: 422,
  error: 'quota',
  body: '{"a":1}',
  ...change,
});

for (const server of testServers())
  test(
    `what is asked of the audit trail is sorted out by the database: ${server.name}`,
    async () => {
      const started = await server.start();
      try {
        await withStores(started.url, async ({ store, site }) => {
          const traces = createTraceStore({ url: started.url, applicationName: 'test' });
          const rows = [
            row('1', 1_000, { caller: 'bob', status: 403, forwardedFor: '10.0.0.1' }),
            row('2', 2_000, { path: '/v1/size', method: 'PUT', body: '{"100%_":1}' }),
            row('3', 3_000, { tenant: 'u', error: 'no space' }),
          ];
          await traces.write(rows);
          const time = { fromMs: 1_000, toMs: 3_000 };
          const refused = async (change: object, most = 9) =>
            (await traces.refused({ ...time, ...change }, most)).map(({ id }) => id);
          assert.deepEqual(await traces.refused(time, 9), rows.toReversed());
          assert.deepEqual(await refused({}, 2), ['3', '2']);
          assert.deepEqual(await refused({ fromMs: 1_001, toMs: 2_999 }), ['2']);
          const cases: Array<[object, string[]]> = [
            [{ caller: 'bob' }, ['1']],
            [{ caller: undefined, status: 403 }, ['1']],
            [{ rqid: 'rqid 2' }, ['2']],
            [{ tenant: 'u' }, ['3']],
            [{ method: 'PUT' }, ['2']],
            [{ path: 'size' }, ['2']],
            [{ forwardedFor: '10.' }, ['1']],
            [{ remoteAddr: '::' }, ['3', '2', '1']],
            [{ error: 'space' }, ['3']],
            [{ body: '0%_' }, ['2']],
            [{ caller: 'ada', status: 403 }, []],
          ];
          for (const [filter, ids] of cases) assert.deepEqual(await refused(filter), ids, JSON.stringify(filter));

          const fences = await site.takeOver(['partition:traced'], 1);
          const changes = [ipChange('partition:traced', 'n', '10.0.0.1')];
          const group = groupOf(fences, changes, 1);
          assert.equal((await store.commit(group)).outcome, 'committed');
          const [{ operation, what, who, atMs }] = group.entries as [(typeof group.entries)[0]];
          const log = { fromMs: atMs, toMs: atMs, silent: [] };
          const done = async (change: object) =>
            (await traces.done({ ...log, ...change }, 9)).map((entry) => entry.operation);
          for (const filter of [{}, { operation }, { who }, { what: what.slice(1, -1) }])
            assert.deepEqual(await done(filter), [operation], JSON.stringify(filter));
          for (const filter of [{ operation: 'x' }, { who: 'x' }, { what: `${what}x` }, { silent: [what] }])
            assert.deepEqual(await done(filter), [], JSON.stringify(filter));
          await traces.close();
        });
      } finally {
        await started.stop();
      }
    },
    { skip: server.skip },
  );
