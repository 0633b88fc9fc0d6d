import { writeSync } from 'node:fs';
import { pino, type Logger } from 'pino';
import { createLogOutput } from './log-output.ts';

export type { Logger };

// Never in a log: keys, passwords, credentials, whatever object they come in.
const SECRETS = ['password', 'key', 'secret', 'token', 'authorization', 'hmac', 'consolePassword', 'superUserPassword'];

// pino's own destination ends the process when the disk is full, waits for ever for a reader that stands still, and its
// exit hook tries for ever once nobody reads at all.
const destination = createLogOutput((bytes) => writeSync(1, bytes));

/** Structured lines on standard output; LOG_LEVEL sets what is written (default info). */
export const createLogger = (name: string, fields: Record<string, unknown> = {}): Logger =>
  pino(
    {
      name,
      base: { pid: process.pid, ...fields },
      level: process.env['LOG_LEVEL'] ?? 'info',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((secret) => [secret, `*.${secret}`]), censor: '[secret]' },
    },
    destination,
  );
