// The search of the audit trail: what was done, from the log, and what was refused, from the traces.
import { z } from 'zod';
import { internal, invalid } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import type { Trace } from '../trace.ts';

const text = z.string().max(1_024).optional();
const schema = z.object({
  component: text,
  rqid: text,
  type: text,
  user: text,
  tenant: text,
  project: text,
  detail: text,
  phase: text,
  path: text,
  forwarded_for: text,
  remote_addr: text,
  body: text,
  error: text,
  status_code: z.number().int().optional(),
  from: text,
  to: text,
  limit: z.number().int().min(0).optional(),
});

const COMPONENT = 'metal-api';
const TYPE = 'http';
const PHASE = 'response';
const DAY_MS = 86_400_000;

/** Empty means not asked. */
const asked = (value: string | undefined): string | undefined =>
  value === undefined || value === '' ? undefined : value;

/** metalctl sends the zero time of Go for what was not asked. */
function timeOf(value: string | undefined, otherwise: number): number {
  if (value === undefined || value === '' || value.startsWith('0001-01-01')) return otherwise;
  return Date.parse(value);
}

const entryOf = (trace: Trace) => ({
  component: COMPONENT,
  rqid: trace.rqid,
  type: TYPE,
  timestamp: new Date(trace.atMs).toISOString(),
  user: trace.user,
  tenant: trace.tenant,
  detail: trace.detail,
  phase: PHASE,
  path: trace.path,
  forwarded_for: trace.forwardedFor,
  remote_addr: trace.remoteAddr,
  body: trace.body,
  status_code: trace.status,
  error: trace.error,
});

const cutHeaders = (wholeFromMs: number): Record<string, string> => ({
  warning: `199 hanse "entries before ${new Date(wholeFromMs).toISOString()} may be missing: more were found than a search reads, ask for less by from, to and user"`,
});

export function addAuditRoutes(edge: Edge): void {
  const { site } = edge;
  route(
    edge,
    {
      method: 'post',
      path: '/v1/audit/find',
      role: 'view',
      operation: 'findAuditTraces',
      audited: false,
      body: schema,
    },
    async ({ body }) => {
      const why = 'this feature is currently disabled';
      // The message goes out as it is: clients look for it.
      if (site.traces === undefined) return { ...internal(why), message: why };
      const nowMs = site.wallMs();
      const [fromMs, toMs] = [timeOf(body.from, nowMs - DAY_MS), timeOf(body.to, nowMs + DAY_MS)];
      if (Number.isNaN(fromMs)) return invalid(`from:"${body.from}" is no time, expected RFC 3339`);
      if (Number.isNaN(toMs)) return invalid(`to:"${body.to}" is no time, expected RFC 3339`);
      const fits = (wanted: string | undefined, is: string): boolean => (asked(wanted) ?? is) === is;
      const isElsewhere = !fits(body.component, COMPONENT) || !fits(body.type, TYPE) || !fits(body.phase, PHASE);
      if (isElsewhere || asked(body.project) !== undefined) return ok([]);
      const { traces, wholeFromMs } = await site.traces.find({
        fromMs,
        toMs,
        limit: body.limit ?? 0,
        rqid: asked(body.rqid),
        user: asked(body.user),
        tenant: asked(body.tenant),
        detail: asked(body.detail),
        status: body.status_code === 0 ? undefined : body.status_code,
        path: asked(body.path),
        forwardedFor: asked(body.forwarded_for),
        remoteAddr: asked(body.remote_addr),
        body: asked(body.body),
        error: asked(body.error),
      });
      return ok(traces.map(entryOf), wholeFromMs === undefined ? undefined : cutHeaders(wholeFromMs));
    },
  );
}
