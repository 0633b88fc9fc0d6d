import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linearTicks, logTicks, renderPlot, short, type Plot } from './plot.ts';

const plot: Plot = {
  name: 'x',
  title: 'a < b & "c"',
  x: { label: 'clients', scale: 'log' },
  y: { label: 'per second', scale: 'linear' },
  series: [
    {
      label: 'ours',
      points: [
        [1, 600],
        [64, 6_700],
      ],
    },
    { label: 'none', points: [[1, NaN]] },
  ],
};

test('round steps that reach over the highest value', () => {
  assert.deepEqual(linearTicks(6_700), [0, 2_000, 4_000, 6_000, 8_000]);
  assert.deepEqual(linearTicks(10), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(logTicks([10, 1_000_000]), [10, 100, 1_000, 10_000, 100_000, 1_000_000]);
  assert.deepEqual(logTicks([1]), [1, 10]);
});

test('numbers are short', () => {
  assert.deepEqual([0.37, 64, 1_500, 1_000_000].map(short), ['0.37', '64', '1.5k', '1M']);
});

test('what has no figure is not drawn, words are escaped', () => {
  const svg = renderPlot(plot);
  assert.match(svg, /^<svg [^]*<\/svg>\n$/);
  assert.match(svg, /a &lt; b &amp; "c"/);
  assert.match(svg, /aria-label="a &lt; b &amp; &quot;c&quot;"/);
  assert.match(svg, />ours</);
  assert.doesNotMatch(svg, />none<|NaN/);
  assert.equal(svg.match(/<circle /g)?.length, 3);
  assert.throws(() => renderPlot({ ...plot, series: [] }), RangeError);
});
