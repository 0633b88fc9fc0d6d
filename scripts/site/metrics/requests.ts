// Requests by operation, counted where they are answered: two additions and a bucket a request, text only when asked.
import type { RouteDeclaration } from '../../../http/env.ts';
import { histogramOf, type Sample, type Sampled } from './sampled.ts';

/** metal-api's own buckets (its dashboards know them), in seconds. */
const METAL_API_SECONDS = [0.25, 0.5, 1, 2.5, 5, 10];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Seen {
  route: RouteDeclaration;
  statuses: Map<number, number>;
  /** Not added up, one more than SECONDS. */
  buckets: number[];
  sumMs: number;
}

export interface RequestCounts {
  observe(route: RouteDeclaration, status: number, ms: number): void;
  /** A call of an agent; `method` with its service, as gRPC names it. */
  observeCall(method: string, ms: number): void;
  metrics: Sampled[];
}

const bucketOf = (ends: readonly number[], seconds: number): number => {
  const at = ends.findIndex((end) => seconds <= end);
  return at < 0 ? ends.length : at;
};

export function createRequestCounts(): RequestCounts {
  const seen = new Map<RouteDeclaration, Seen>();
  const calls = new Map<string, Pick<Seen, 'buckets' | 'sumMs'>>();
  const all = (): Seen[] => [...seen.values()];
  const method = ({ route }: Seen): string => route.method.toUpperCase();

  const durations = (ends: readonly number[], labels: (one: Seen) => Record<string, string>): Sample[] =>
    all().flatMap((one) => {
      const buckets = [...ends.map(() => 0), 0];
      for (const [i, count] of one.buckets.entries()) {
        // Coarser ends are a part of the finer ones, so a fine bucket lies in one coarse one.
        const at = ends.findIndex((end) => (SECONDS[i] ?? Infinity) <= end);
        buckets[at < 0 ? ends.length : at]! += count;
      }
      return histogramOf(ends, buckets, one.sumMs / 1_000, labels(one));
    });

  return {
    observe(route, status, ms) {
      let one = seen.get(route);
      if (one === undefined) {
        one = { route, statuses: new Map(), buckets: [...SECONDS.map(() => 0), 0], sumMs: 0 };
        seen.set(route, one);
      }
      one.statuses.set(status, (one.statuses.get(status) ?? 0) + 1);
      one.buckets[bucketOf(SECONDS, ms / 1_000)]!++;
      one.sumMs += ms;
    },
    observeCall(method, ms) {
      let one = calls.get(method);
      if (one === undefined) calls.set(method, (one = { buckets: [...METAL_API_SECONDS.map(() => 0), 0], sumMs: 0 }));
      one.buckets[bucketOf(METAL_API_SECONDS, ms / 1_000)]!++;
      one.sumMs += ms;
    },
    metrics: [
      {
        name: 'hanse_requests_total',
        help: 'Requests that this process answered, by operation.',
        type: 'counter',
        samples: () =>
          all().flatMap((one) =>
            [...one.statuses].map(([status, value]) => ({
              labels: { operation: one.route.operation, method: method(one), status: String(status) },
              value,
            })),
          ),
      },
      {
        name: 'hanse_request_duration_seconds',
        help: 'Time of a request from its routing to its answer.',
        type: 'histogram',
        samples: () => durations(SECONDS, ({ route }) => ({ operation: route.operation })),
      },
      {
        name: 'metal_api_requests_total',
        help: 'Requests by status code and method, as metal-api counts them.',
        type: 'counter',
        samples() {
          const sums = new Map<string, Sample>();
          for (const one of all()) {
            for (const [status, count] of one.statuses) {
              const labels = { code: String(status), method: method(one) };
              const sum = sums.get(`${status} ${labels.method}`) ?? { labels, value: 0 };
              sum.value += count;
              sums.set(`${status} ${labels.method}`, sum);
            }
          }
          return [...sums.values()];
        },
      },
      {
        name: 'metal_api_request_duration_seconds',
        help: 'Time of a request by route and method, as metal-api measures it.',
        type: 'histogram',
        samples: () =>
          durations(METAL_API_SECONDS, (one) => ({
            route: one.route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}'),
            method: method(one),
          })),
      },
      {
        name: 'metal_api_grpc_request_duration_seconds',
        help: 'Time of a unary call of an agent by method, as metal-api measures it.',
        type: 'histogram',
        samples: () =>
          [...calls].flatMap(([called, { buckets, sumMs }]) =>
            histogramOf(METAL_API_SECONDS, buckets, sumMs / 1_000, { method: called }),
          ),
      },
    ],
  };
}
