// Why a process of a site could not start, in one sentence, where it is the configuration or the database that is wrong.
import { isStatementFailure, type FailureKind } from '../../storage/driver/failure.ts';
import type { SiteConfig } from '../config.ts';

const PORTS = {
  httpPort: 'HANSE_HTTP_PORT',
  grpcPort: 'HANSE_GRPC_PORT',
  linkPort: 'HANSE_LINK_PORT',
} as const;

type PortConfig = Pick<SiteConfig, keyof typeof PORTS | 'host' | 'metrics' | 'databaseUrl'>;

const variableOf = (port: number, config: PortConfig): string => {
  const own = (Object.keys(PORTS) as Array<keyof typeof PORTS>).find((name) => config[name] === port);
  if (own !== undefined) return PORTS[own];
  return config.metrics.port === port ? 'HANSE_METRICS_PORT' : 'port';
};

/** Without the password. */
const databaseText = ({ databaseUrl }: PortConfig): string => {
  if (databaseUrl === null) return 'the bundled database';
  const { host, pathname, username } = new URL(databaseUrl);
  return `DATABASE_URL: ${host}${pathname} as user "${username}"`;
};

/** PostgreSQL's codes of what only another DATABASE_URL, or a change at the server, makes right. */
const REFUSED_BY_DATABASE = new Set(['28P01', '28000', '3D000', '42501']);

/** What is over when the database is well again. */
const PASSING: ReadonlySet<FailureKind> = new Set(['retry', 'unknown', 'unsent', 'capacity']);

/** Why the database kept it from starting, where that may be over at the next start; no mistake of ours. */
export const passingProblem = (error: unknown): string | undefined =>
  isStatementFailure(error) && PASSING.has(error.kind)
    ? `the database did not let the process start: ${error.message}`
    : undefined;

/** An address that could not be listened on. gRPC puts the system's error into its text only. */
const socketProblem = (message: string): RegExpExecArray | null =>
  /\blisten (EADDRINUSE|EACCES|EADDRNOTAVAIL)\b.*?:(\d+)(?!.*:\d)/s.exec(message);

export const isPortInUse = (error: unknown): boolean =>
  error instanceof Error && socketProblem(error.message)?.[1] === 'EADDRINUSE';

/** undefined: another reason, which may be over when it starts again. */
export function startProblem(error: unknown, config: PortConfig): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, message } = error as Error & { code?: string };
  const socket = socketProblem(message);
  if (socket !== null) {
    const port = Number(socket[2]);
    const variable = variableOf(port, config);
    if (socket[1] === 'EADDRINUSE')
      return `${variable} ${port} is in use: another process listens there on ${config.host}; end it, or give another port`;
    if (socket[1] === 'EACCES') return `${variable} ${port} may not be used by this user: give a port above 1023`;
    return `HANSE_HOST ${config.host} is no address of this machine`;
  }
  if (code !== undefined && REFUSED_BY_DATABASE.has(code)) return `${databaseText(config)} is refused: ${message}`;
  return undefined;
}
