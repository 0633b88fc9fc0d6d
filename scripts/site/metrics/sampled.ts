// Metrics whose values are asked for when somebody scrapes: what is counted elsewhere already is not counted twice.
import type { Registry } from 'prom-client';

export interface Sample {
  labels: Record<string, string>;
  value: number;
  /** Of a histogram: its name with `_bucket`, `_sum` or `_count`. */
  part?: '_bucket' | '_sum' | '_count';
}

export interface Sampled {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  samples(): Sample[] | Promise<Sample[]>;
}

/** The lines of a histogram from counts by bucket (not added up, one more than `ends`). */
export function histogramOf(
  ends: readonly number[],
  counts: readonly number[],
  sum: number,
  labels: Record<string, string>,
): Sample[] {
  let total = 0;
  const buckets = [...ends, Infinity].map((end, i): Sample => {
    total += counts[i] ?? 0;
    return { labels: { ...labels, le: end === Infinity ? '+Inf' : String(end) }, value: total, part: '_bucket' };
  });
  return [...buckets, { labels, value: sum, part: '_sum' }, { labels, value: total, part: '_count' }];
}

/** prom-client asks its metrics with `get`, whatever made them. */
export function register(registry: Registry, { name, help, type, samples }: Sampled): void {
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    async get() {
      const values = (await samples()).map(({ labels, value, part = '' }) => ({
        labels,
        value,
        metricName: `${name}${part}`,
      }));
      return { name, help, type, aggregator: 'sum', values };
    },
    reset() {},
  };
  registry.registerMetric(metric as never);
}
