// Where the lines of the log go: written at once, and never worth a process. A disk that is full, or a reader that stands
// still, costs lines.

/** Bytes that wait for space; what comes beyond them is lost, and counted. */
const MOST_WAITING = 1 << 20;
/** A reader that does not read gets so long, once: until it reads again, nobody waits for it. */
const PATIENCE_MS = 100;

const pause = new Int32Array(new SharedArrayBuffer(4));
const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

export interface LogOutput {
  /** Whole lines. */
  write(line: string): void;
}

/** `write`: as `fs.writeSync`, answers how many bytes were written. */
export function createLogOutput(write: (bytes: Uint8Array) => number): LogOutput {
  const waiting: Uint8Array[] = [];
  let size = 0;
  let lost = 0;
  /** Nobody reads it any more (EPIPE): there is no log, and nothing to end for. */
  let isOver = false;

  /** Bytes written; undefined: none can be at the moment. */
  function tryWrite(bytes: Uint8Array, patienceMs: number): number | undefined {
    for (let waitedMs = 0; waitedMs <= patienceMs; waitedMs++) {
      try {
        return write(bytes);
      } catch (error) {
        if (codeOf(error) === 'EPIPE') isOver = true;
        if (codeOf(error) !== 'EAGAIN') return undefined;
        if (waitedMs < patienceMs) Atomics.wait(pause, 0, 0, 1);
      }
    }
    return undefined;
  }

  function keep(line: string): void {
    const bytes = Buffer.from(line);
    if (size + bytes.length > MOST_WAITING) return void lost++;
    waiting.push(bytes);
    size += bytes.length;
  }

  function flush(patienceMs: number): void {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const written = tryWrite(first, patienceMs);
      if (written === undefined) return;
      size -= written;
      if (written < first.length) waiting[0] = first.subarray(written);
      else waiting.shift();
    }
  }

  const lostLine = (): string =>
    `${JSON.stringify({
      level: 'warn',
      time: new Date().toISOString(),
      pid: process.pid,
      msg: `${lost} lines of the log were lost: they could not be written`,
    })}\n`;

  return {
    write(line) {
      if (isOver) return;
      if (size > 0) flush(0);
      const patienceMs = size > 0 ? 0 : PATIENCE_MS;
      if (size === 0 && lost > 0) {
        keep(lostLine());
        lost = 0;
      }
      keep(line);
      flush(patienceMs);
    },
  };
}
