// What a store over a server has to show besides the port's contract: with two connections, a cut line, two processes.
import { after, before } from 'node:test';
import type { TestServer } from '../testing/servers.ts';
import { ambiguityContract } from './ambiguity.ts';
import { conflictContract } from './conflict.ts';
import { fencingContract } from './fencing.ts';
import { migrationContract } from './migration.ts';
import { stormContract } from './storm.ts';
import { suite } from '../testing/register.ts';

export interface Started {
  dialect: TestServer['dialect'];
  url: () => string;
}

export function serverContract(server: TestServer): void {
  suite(`store over ${server.name}`, { skip: server.skip }, () => {
    let running: { url: string; stop(): Promise<void> } | undefined;
    before(async () => {
      running = await server.start();
    });
    after(() => running?.stop());
    const started: Started = { dialect: server.dialect, url: () => running!.url };
    migrationContract(started);
    fencingContract(started);
    conflictContract(started);
    ambiguityContract(started);
    stormContract(started);
  });
}
