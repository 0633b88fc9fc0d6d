// Cells and values that several views share.
import type { Bus } from '../../http/agents/bus.ts';
import { dim, red, yellow } from '../start/screen.ts';
import type { Cell } from './table.ts';

export const trouble = (value: number): Cell =>
  value === 0 ? { text: '·', paint: dim } : { text: String(value), paint: red };
export const some = (value: number): Cell =>
  value === 0 ? { text: '·', paint: dim } : { text: String(value), paint: yellow };
/** Outside of a table a dot would say nothing. */
export const figure = (value: number, paint: (text: string) => string): Cell =>
  value === 0 ? { text: 'none', paint: dim } : { text: String(value), paint };
export const quiet = (text: string): Cell => ({ text, paint: dim });
export const outcome = (text: string): Cell =>
  text === 'ok' || text === 'reserved' ? quiet(text) : { text, paint: text === 'open' ? yellow : red };

export const showBus = ({ nsqd, waiting, held, isCatchingUp }: ReturnType<Bus['state']>): string =>
  `${nsqd === 'none' ? 'in this process' : `nsqd ${nsqd}`}, ${waiting} messages waiting, ${held} held back${isCatchingUp ? ', catching up' : ''}`;
