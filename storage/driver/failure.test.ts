import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  classifyError,
  isStatementFailure,
  statementFailure,
  toStatementFailure,
  type FailureKind,
} from './failure.ts';

const expected: Readonly<Record<FailureKind, readonly string[]>> = {
  retry: ['40001', '40P01', '57014', '25P03', '55P03'],
  rule: ['23505', '23514', '23503', '23502', '22012', '22P02', '22021'],
  unknown: [
    '40003',
    'CONNECTION_CLOSED',
    'CONNECTION_DESTROYED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    '57P01',
    '57P02',
    '08006',
    'EHOSTUNREACH',
  ],
  unsent: ['ECONNREFUSED', 'ENOTFOUND', 'CONNECT_TIMEOUT', '57P03', '53300', 'CONNECTION_ENDED'],
  capacity: ['53100', '53200', '58030'],
  other: ['42601', '42P01', '28P01', '3D000', 'XX000', 'UNDEFINED_VALUE'],
};

for (const [kind, codes] of Object.entries(expected))
  for (const code of codes)
    test(`database.md §3.3: ${code} means ${kind}`, () => {
      assert.equal(classifyError(Object.assign(new Error('x'), { code })), kind);
    });

test('a code of the network that comes from dialling means that nothing was sent', () => {
  for (const code of ['EHOSTUNREACH', 'ETIMEDOUT', 'ECONNRESET', 'ENETUNREACH'])
    assert.equal(classifyError(Object.assign(new Error('x'), { code, syscall: 'connect' })), 'unsent');
});

test('what has no code is other', () => {
  for (const error of [new TypeError('x'), 'text', undefined, null, 7, {}]) assert.equal(classifyError(error), 'other');
});

test('a failure keeps code, constraint, table and cause, and is not wrapped twice', () => {
  const cause = Object.assign(new Error('duplicate key'), {
    code: '23505',
    constraint_name: 'ip_pkey',
    table_name: 'ip',
  });
  const failure = toStatementFailure(cause);
  assert.ok(isStatementFailure(failure));
  assert.deepEqual([failure.kind, failure.code, failure.constraint, failure.table], ['rule', '23505', 'ip_pkey', 'ip']);
  assert.equal(failure.cause, cause);
  assert.equal(toStatementFailure(failure), failure);
  assert.equal(classifyError(statementFailure('unsent', 'POOL_FULL', 'x')), 'unsent');
});
