import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { measureCapacity, openSender, runPhase, type Told } from './open-load.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const CLIENTS = 64;
const CAPACITY_MS = 4_000;
const QUIET = 0.7;
/** Of the capacity, as much as the generator beside it can make. */
const PEAK = 3;
const PHASE_MS = 8_000;
const RETRIES = 3;
const NORMAL_WITHIN_MS = 5_000;
/** An accepted one meets its deadline by far, on any machine. */
const ACCEPTED_WITHIN_MS = 12_000;
/** A refusal costs next to nothing; but who sends it and who answers it share the cores here. */
const REFUSED_WITHIN_MS = 8_000;

const p = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0;
const isRefused = ({ status }: Told): boolean => status === 429 || status === 503;
const summary = (answers: readonly Told[]): string => {
  const accepted = answers.filter((told) => !isRefused(told)).map(({ tookMs }) => tookMs);
  const refused = answers.filter(isRefused).map(({ tookMs }) => tookMs);
  return `${accepted.length} accepted (p50 ${Math.round(p(accepted, 0.5))}, p99 ${Math.round(p(accepted, 0.99))} ms), ${refused.length} refused (p99 ${Math.round(p(refused, 0.99))} ms)`;
};

test('reliability.md F19, §10: at 3 × its capacity a site refuses at once what it can’t do in time, releases go first, and afterwards all is as before; so it is with clients that try again 3 times at once', () =>
  withPlant({ groupLimit: 512 }, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'load', '100.64.0.0/12');
    const { send, close } = openSender(site);
    const held: string[] = [];
    const strange: string[] = [];
    /** Also of tries that another one followed. */
    let refusals = 0;
    const noting = (told: Told, ...fine: number[]): Told => {
      if (!fine.includes(told.status)) strange.push(`${told.status} ${errorMessage(told.text)}`);
      if (isRefused(told)) refusals++;
      if (isRefused(told) && !((told.retryAfterS ?? 0) >= 1 && told.because !== undefined))
        strange.push(`${told.status} without Retry-After or reason`);
      return told;
    };
    const take = async (): Promise<Told> => {
      const told = await send('POST', '/v1/ip/allocate', { networkid: 'load', projectid: seeded.project });
      if (told.status === 201) held.push((JSON.parse(told.text) as { ipaddress: string }).ipaddress);
      return noting(told, 201, 429, 503);
    };
    /** Makes of one refused request up to four, and waits for nothing: what keeps a site down that is weaker than its clients. */
    const insist = async (): Promise<Told> => {
      let told = await take();
      for (let tries = 0; tries < RETRIES && isRefused(told); tries++) told = await take();
      return told;
    };

    const peakOf = async (capacity: number, before: readonly Told[], client: () => Promise<Told>): Promise<void> => {
      const quiet = { perSecond: QUIET * capacity, forMs: PHASE_MS };
      // Releases come at a steady pace through the peak; whoever is refused would have to hold what it can't give back.
      const refusedBefore = refusals;
      const peak = { isOver: false };
      const releases: Told[] = [];
      const releasing = (async (): Promise<void> => {
        while (!peak.isOver) {
          const address = held.pop();
          if (address === undefined) await wait(10);
          else releases.push(noting(await send('DELETE', `/v1/ip/free/${address}`), 200, 429, 503));
        }
      })();
      const during = await runPhase({ perSecond: PEAK * capacity, forMs: PHASE_MS }, client);
      peak.isOver = true;
      await releasing;

      await runPhase({ ...quiet, forMs: NORMAL_WITHIN_MS }, take);
      const after = await runPhase(quiet, take);
      console.log(
        [
          `capacity ${Math.round(capacity)}/s; at ${QUIET}: ${summary(before)}`,
          `at ${PEAK}: ${summary(during)}; releases: ${summary(releases)}`,
          `afterwards: ${summary(after)}`,
        ].join('\n'),
      );

      assert.ok(refusals > refusedBefore, 'what can’t be done in time is refused');
      assert.ok(
        during.some(({ status }) => status === 201),
        'something is done all the while',
      );
      for (const told of [...before, ...during, ...after]) {
        const most = isRefused(told) ? REFUSED_WITHIN_MS : ACCEPTED_WITHIN_MS;
        assert.ok(told.tookMs < most, `${told.status} after ${told.tookMs} ms`);
      }
      const partRefused = (answers: readonly Told[]): number => answers.filter(isRefused).length / answers.length;
      assert.ok(releases.length > 0);
      assert.ok(partRefused(releases) <= partRefused(during) / 2, 'releases go first');
      // No metastable state: what overload left behind is gone, although the load goes on.
      assert.ok(
        partRefused(after) <= Math.max(0.01, 2 * partRefused(before)),
        `${partRefused(after)} are refused still`,
      );
      assert.deepEqual(strange, []);
    };

    try {
      const capacity = await measureCapacity(CLIENTS, CAPACITY_MS, take);
      const before = await runPhase({ perSecond: QUIET * capacity, forMs: PHASE_MS }, take);
      await peakOf(capacity, before, take);
      await peakOf(capacity, before, insist);
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    } finally {
      close();
    }
  }));
