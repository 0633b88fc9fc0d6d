import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { seededRandom } from '../rack/random.ts';
import { createHistory, since, WITH_IT, type Operation, type Outcome, type Verb } from './history.ts';
import { checkHistory, checkOne } from './linear.ts';

const done = (holder: string): Outcome => ({ kind: 'done', holder });
const refused: Outcome = { kind: 'refused', why: '409' };
const unknown: Outcome = { kind: 'unknown', why: 'no answer' };

const op = (
  id: string,
  verb: Verb,
  [callMs, returnMs]: [number, number],
  outcome: Outcome,
  more: Partial<Operation> = {},
): Operation => ({
  id,
  client: 'c',
  verb,
  key: 'net a',
  callMs,
  returnMs: outcome.kind === 'unknown' ? Infinity : returnMs,
  expected: '',
  outcome,
  ...more,
});

const isFine = (...operations: Operation[]): void => assert.deepEqual(checkHistory(operations), []);
const isWrong = (...operations: Operation[]): void => assert.equal(checkHistory(operations).length, 1);

test('reliability.md §5.2: taken, read, given and taken again', () => {
  isFine(
    op('x', 'take', [0, 1], done('x')),
    op('r', 'read', [2, 3], done('x')),
    op('g', 'give', [4, 5], done('x')),
    op('r', 'read', [6, 7], done('')),
    op('y', 'takeThis', [8, 9], done('y')),
    op('z', 'takeThis', [10, 11], refused),
  );
});

test('reliability.md §5.2: what overlaps may have come in either order', () => {
  isFine(op('x', 'take', [0, 10], done('x')), op('r', 'read', [1, 2], done('')), op('s', 'read', [3, 4], done('x')));
  isWrong(op('x', 'take', [0, 10], done('x')), op('r', 'read', [1, 2], done('x')), op('s', 'read', [3, 4], done('')));
});

test('reliability.md I01: one address taken twice is found', () => {
  isWrong(op('x', 'take', [0, 1], done('x')), op('y', 'take', [2, 3], done('y')));
  isWrong(op('x', 'take', [0, 5], done('x')), op('y', 'take', [1, 4], done('y')));
});

test('reliability.md I06: an acknowledged write that is gone is found', () => {
  isWrong(op('x', 'take', [0, 1], done('x')), op('r', 'read', [2, 3], done('')));
  isWrong(op('x', 'take', [0, 1], done('x')), op('g', 'give', [2, 3], refused));
  isWrong(op('x', 'take', [0, 1], done('x')), op('y', 'takeThis', [2, 3], done('y')));
});

test('reliability.md I06: a stale read is found', () => {
  isWrong(op('x', 'take', [0, 1], done('x')), op('g', 'give', [2, 3], done('x')), op('r', 'read', [4, 5], done('x')));
});

test('reliability.md I06: an address that comes back to life is found', () => {
  isWrong(
    op('x', 'take', [0, 1], done('x')),
    op('g', 'give', [2, 3], done('x')),
    op('r', 'read', [4, 5], done('')),
    op('r', 'read', [6, 7], done('x')),
  );
  isWrong(op('x', 'take', [0, 1], done('x')), op('g', 'give', [2, 3], done('x')), op('h', 'give', [4, 5], done('x')));
});

test('reliability.md §5.1: what was not answered may have taken effect at any later time, or never', () => {
  const lost = op('g', 'give', [2, 0], unknown, { expected: 'x' });
  const taken = op('x', 'take', [0, 1], done('x'));
  isFine(taken, lost, op('r', 'read', [4, 5], done('x')));
  isFine(taken, lost, op('r', 'read', [4, 5], done('')));
  isFine(taken, lost, op('r', 'read', [4, 5], done('x')), op('s', 'read', [6, 7], done('')));
  isWrong(taken, lost, op('r', 'read', [4, 5], done('')), op('s', 'read', [6, 7], done('x')));
  // Not before it was asked.
  isWrong(taken, op('r', 'read', [1.2, 1.3], done('')), lost);
});

test('reliability.md §5.1: an unanswered take belongs to what names it later', () => {
  const lost = op('x', 'take', [0, 0], unknown, { key: '' });
  isFine(lost, op('r', 'read', [1, 2], done('')), op('r', 'read', [3, 4], done('x')));
  isWrong(lost, op('y', 'take', [1, 2], done('y')), op('r', 'read', [3, 4], done('x')));
  isFine(lost, op('y', 'take', [1, 2], done('y')), op('r', 'read', [3, 4], done('y')));
  // One operation, two addresses: I04.
  const both = [op('r', 'read', [3, 4], done('x')), op('r', 'read', [3, 4], done('x'), { key: 'net b' })];
  assert.equal(checkHistory([lost, ...both]).length, 1);
});

test('machines.md §10.1: a free that does not say whose machine it was frees the own one or nobody', () => {
  const mine = op('x', 'take', [0, 1], done('x'));
  isFine(mine, op('g', 'give', [2, 3], done('?'), { expected: 'x' }));
  isWrong(
    mine,
    op('g', 'give', [2, 3], done('?'), { expected: 'x' }),
    op('y', 'take', [4, 5], done('y')),
    op('h', 'give', [6, 7], done('?'), { expected: 'x' }),
  );
});

test('machines.md §10.1: with a machine go the addresses that are still its own, and nobody else’s', () => {
  const mine = op('x', 'take', [0, 1], done('x'));
  const lost = op('f', 'give', [2, 0], unknown, { expected: 'x' });
  const freed = op('g', 'give', [6, 7], done(WITH_IT), { expected: 'x' });
  const theirs = op('y', 'take', [4, 5], done('y'));
  isFine(mine, freed, op('r', 'read', [8, 9], done('')));
  isWrong(mine, freed, op('r', 'read', [8, 9], done('x')));
  // The first try got through, unheard; the second finds a machine that is free already.
  isFine(mine, lost, theirs, freed, op('r', 'read', [8, 9], done('y')));
  isWrong(mine, lost, theirs, freed, op('r', 'read', [8, 9], done('')));
  // Its allocation was not answered, and it was found by its name: others were refused what it had.
  const unheard = op('x', 'take', [0, 0], unknown, { key: '' });
  const named = op('z', 'takeThis', [2, 3], refused);
  isFine(unheard, named, freed, op('r', 'read', [8, 9], done('')));
  isWrong(unheard, named, op('r', 'read', [8, 9], done('')));
});

/** Clients on one true cell; each operation takes effect at an instant inside its interval. */
function truth(seed: number, length: number): Operation[] {
  const random = seededRandom(seed);
  const history: Operation[] = [];
  let holder = '';
  for (let i = 0; i < length; i++) {
    const atMs = i * 10;
    const spread: [number, number] = [atMs - random() * 25, atMs + random() * 25];
    const id = `o${i}`;
    const isLost = random() < 0.05;
    const chance = random();
    if (chance < 0.3) {
      history.push(op(id, 'read', spread, done(holder)));
    } else if (chance < 0.65) {
      if (isLost && random() < 0.5) history.push(op(id, 'give', spread, unknown, { expected: holder }));
      else if (holder === '') history.push(op(id, 'give', spread, refused));
      else {
        history.push(op(id, 'give', spread, isLost ? unknown : done(holder), { expected: holder }));
        holder = '';
      }
    } else if (holder === '') {
      history.push(op(id, 'takeThis', spread, isLost ? unknown : done(id)));
      holder = id;
    } else history.push(op(id, 'takeThis', spread, refused));
  }
  return history;
}

test('reliability.md §5.2: true histories of hundreds of operations pass, with one answer changed few do', () => {
  let found = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const history = truth(seed, 400);
    const verdict = checkOne(history);
    assert.ok(verdict.ok, `seed ${seed}: ${verdict.ok ? '' : verdict.why}`);
    const at = history.findIndex(({ verb, outcome }, i) => i > 150 && verb === 'read' && outcome.kind === 'done');
    const lie = history.map((each, i) => (i === at ? { ...each, outcome: done('somebody else') } : each));
    if (!checkOne(lie).ok) found++;
  }
  assert.equal(found, 40);
});

test('reliability.md §5.2: hundreds of unanswered operations keep the search short', () => {
  const history: Operation[] = [];
  for (let i = 0; i < 120; i++) {
    const atMs = i * 10;
    if (i % 3 === 0) history.push(op(`t${i}`, 'takeThis', [atMs, 0], unknown));
    if (i % 3 === 1) history.push(op(`g${i}`, 'give', [atMs, 0], unknown, { expected: `t${i}` }));
    history.push(op(`r${i}`, 'read', [atMs + 5, atMs + 6], done('')));
  }
  isFine(...history);
  isWrong(
    ...history,
    op('x', 'take', [4_000, 4_001], done('x')),
    op('y', 'take', [4_002, 4_003], done('y')),
    op('z', 'read', [4_004, 4_005], done('x')),
  );
});

test('reliability.md §5.1: the recorder keeps times of one clock, and one entry a thing', () => {
  let clock = 0;
  const history = createHistory(() => clock++);
  const pending = history.begin({ client: 'c1', verb: 'take' });
  pending.end(done(pending.id), ['machine m', 'net a']);
  history.begin({ client: 'c1', verb: 'give', key: 'net a', expected: pending.id }).end(unknown);
  assert.deepEqual(
    history.operations.map(({ key, callMs, returnMs }) => [key, callMs, returnMs]),
    [
      ['machine m', 0, 1],
      ['net a', 0, 1],
      ['net a', 2, Infinity],
    ],
  );
  assert.deepEqual(history.counts(), { 'take done': 2, 'give unknown': 1 });
});

test('reliability.md §5.2: a history may be judged in parts, cut where nobody had anything under way and everything is read next', () => {
  const early = [
    op('x', 'take', [0, 1], done('x')),
    op('x', 'take', [0, 1], done('x'), { key: 'net b' }),
    op('g', 'give', [2, 3], done('?'), { key: 'net b', expected: 'x' }),
    op('u', 'take', [4, 0], unknown, { key: '' }),
    op('v', 'give', [5, 0], unknown),
  ];
  const reads = [op('r', 'read', [10, 11], done('x')), op('r', 'read', [10, 11], done(''), { key: 'net b' })];
  const judged = (...late: Operation[]): string[] => checkHistory(since([...early, ...reads, ...late], early.length));
  assert.deepEqual(judged(), []);
  // What was not answered before the cut may take effect after it.
  assert.deepEqual(judged(op('s', 'read', [12, 13], done('')), op('t', 'read', [14, 15], done('u'))), []);
  const wrongs = [
    [op('y', 'take', [12, 13], done('y'), { key: 'net b' }), op('z', 'take', [14, 15], done('z'), { key: 'net b' })],
    [op('s', 'read', [12, 13], done('w'))],
    [op('s', 'read', [12, 13], done('x'), { key: 'net b' })],
  ];
  for (const wrong of wrongs) assert.notDeepEqual(judged(...wrong), []);
});
