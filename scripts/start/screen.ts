// What a person sees while everything starts, and the summary at the end. Plain lines without a terminal.
const isTerminal = process.stdout.isTTY === true;
const colours = isTerminal && process.env['NO_COLOR'] === undefined;
const paint =
  (code: string) =>
  (text: string): string =>
    colours ? `\u001b[${code}m${text}\u001b[0m` : text;

export const bold = paint('1');
export const dim = paint('2');
export const green = paint('32');
export const cyan = paint('36');
export const red = paint('31');
export const yellow = paint('33');

export interface Progress {
  /** Begins a step; ends the one before as done. */
  step(text: string): void;
  note(text: string): void;
  done(): void;
  fail(message: string): void;
}

/** One line a step, with the seconds it took; while it runs, the line is rewritten on a terminal. */
export function createProgress(now: () => number = () => performance.now()): Progress {
  let current: { text: string; startMs: number } | undefined;

  const seconds = (startMs: number): string => dim(`${((now() - startMs) / 1_000).toFixed(1)} s`);
  const clear = isTerminal ? '\r\u001b[2K' : '';

  function finish(): void {
    if (current === undefined) return;
    process.stdout.write(`${clear}  ${green('✓')} ${current.text} ${seconds(current.startMs)}\n`);
    current = undefined;
  }

  return {
    step(text) {
      finish();
      current = { text, startMs: now() };
      if (isTerminal) process.stdout.write(`  ${dim('…')} ${text}`);
    },
    note(text) {
      process.stdout.write(`${clear}    ${dim(text)}\n`);
      if (isTerminal && current !== undefined) process.stdout.write(`  ${dim('…')} ${current.text}`);
    },
    done: finish,
    fail(message) {
      if (current !== undefined) process.stdout.write(`${clear}  ${red('✗')} ${current.text}\n`);
      current = undefined;
      process.stderr.write(`\n${red('error:')} ${message}\n`);
    },
  };
}

/** A box of aligned lines. */
export function table(rows: Array<[string, string]>): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${dim(name.padEnd(width))}  ${value}`).join('\n');
}
