import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { it } from 'node:test';
import { statementFailure } from '../../storage/driver/failure.ts';
import { passingProblem, startProblem } from './start-problem.ts';

const config = {
  host: '127.0.0.1',
  httpPort: 8080,
  grpcPort: 50_051,
  linkPort: 8443,
  metrics: { host: '127.0.0.1', port: 2112 },
  databaseUrl: 'postgres://hanse:geheim@db.example:5432/hanse_muc',
};

it('a port in use is named with its variable', async () => {
  const first = createServer().listen(0, '127.0.0.1');
  await once(first, 'listening');
  const { port } = first.address() as AddressInfo;
  const second = createServer().listen(port, '127.0.0.1');
  const [error] = (await once(second, 'error')) as [Error];
  first.close();
  assert.match(
    startProblem(error, { ...config, httpPort: port }) ?? '',
    new RegExp(`^HANSE_HTTP_PORT ${port} is in use: `),
  );
});

it("gRPC's error carries the reason in its text", () => {
  const error = new Error(
    'No address added out of total 1 resolved, errors: [listen EADDRINUSE: address already in use 127.0.0.1:50051]',
  );
  assert.match(startProblem(error, config) ?? '', /^HANSE_GRPC_PORT 50051 is in use: /);
});

it('a wrong password names the server and the user, not the password', () => {
  const error = Object.assign(new Error('password authentication failed for user "hanse"'), { code: '28P01' });
  assert.equal(
    startProblem(error, config),
    'DATABASE_URL: db.example:5432/hanse_muc as user "hanse" is refused: password authentication failed for user "hanse"',
  );
});

it('a connection that could not go out is not an address that is wrong', () => {
  const error = Object.assign(new Error('connect EADDRNOTAVAIL 127.0.0.1:5432'), { code: 'EADDRNOTAVAIL' });
  assert.equal(startProblem(error, config), undefined);
});

it('what may be over at the next start is no configuration', () => {
  const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
  assert.equal(startProblem(error, config), undefined);
  assert.equal(passingProblem(error), undefined, 'not every error of the system is the database’s');
  const failure = statementFailure('unsent', 'ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432');
  assert.equal(
    passingProblem(failure),
    'the database did not let the process start: connect ECONNREFUSED 127.0.0.1:5432',
  );
  assert.equal(passingProblem(statementFailure('other', '42601', 'syntax error')), undefined);
});
