// Port names of the two network operating systems, by the line (lane) of the switch chip that they stand for.
import { unprocessable, type Refusal } from '../refusal.ts';

export const SWITCH_VENDORS = ['SONiC', 'Cumulus'] as const;
/** Exact spelling of the wire. */
export type SwitchVendor = (typeof SWITCH_VENDORS)[number];

export const isSwitchVendor = (text: string): text is SwitchVendor =>
  (SWITCH_VENDORS as readonly string[]).includes(text);

const LINES_PER_PORT = 4;
const SONIC = /^Ethernet(0|[1-9]\d*)$/;
const CUMULUS = /^swp([1-9]\d*)(?:s(0|[1-9]\d*))?$/;

/** SONiC: `Ethernet<line>`. Cumulus: `swp<p>` is line (p−1)·4, `swp<p>s<i>` line (p−1)·4+i (machines.md §6.3). */
const lineOf = (name: string, vendor: SwitchVendor): number | undefined => {
  if (vendor === 'SONiC') {
    const match = SONIC.exec(name);
    return match ? Number(match[1]) : undefined;
  }
  const match = CUMULUS.exec(name);
  return match ? (Number(match[1]) - 1) * LINES_PER_PORT + Number(match[2] ?? 0) : undefined;
};

/**
 * The name of a port of `from` in the naming of `to`. `portNames`: all ports of its switch; for Cumulus a port is split
 * when another line of its group of four is there. Unprocessable for a name that `from` does not use.
 */
export const translatePortName = (
  name: string,
  from: SwitchVendor,
  to: SwitchVendor,
  portNames: readonly string[],
): string | Refusal => {
  // Also a port that has no line, e.g. one for management, is its own mirror.
  if (from === to) return name;
  const line = lineOf(name, from);
  if (line === undefined) {
    const right = from === 'SONiC' ? 'Ethernet<n>' : 'swp<n> or swp<n>s<i>';
    return unprocessable(`port name "${name}" is not valid for a ${from} switch, expected ${right}`);
  }
  if (to === 'SONiC') return `Ethernet${line}`;
  const group = Math.floor(line / LINES_PER_PORT);
  const lane = line % LINES_PER_PORT;
  const isSplit =
    lane > 0 ||
    portNames.some((other) => {
      const otherLine = lineOf(other, from);
      return otherLine !== undefined && otherLine !== line && Math.floor(otherLine / LINES_PER_PORT) === group;
    });
  return isSplit ? `swp${group + 1}s${lane}` : `swp${group + 1}`;
};
