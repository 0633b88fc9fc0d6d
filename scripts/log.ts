import { pino, type Logger } from 'pino';

export type { Logger };

// Never in a log: keys, passwords, credentials, whatever object they come in.
const SECRETS = ['password', 'key', 'secret', 'token', 'authorization', 'hmac', 'consolePassword', 'superUserPassword'];

// Written at once: pino's own destination writes later, and its exit hook tries for ever once nobody reads our output.
// At EPIPE this one falls silent (pino's own listener): there is no log any more, and nothing to end for.
const destination = pino.destination({ fd: 1, sync: true });

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
