// Audits the rows of a site, on a thread of its own: reading and judging a hundred thousand machines takes seconds.
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { auditRows, readSite } from '../storage/audit/index.ts';
import type { AuditTask } from './site/audit-thread.ts';

// Behind those that serve: of Linux's threads each has its own, elsewhere it would be that of the whole process.
if (process.platform === 'linux') setPriority(10);
const { url, entries } = workerData as AuditTask;
parentPort?.postMessage(auditRows(await readSite(url, { entries })), []);
