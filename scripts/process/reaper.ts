// Ends what a test started, whatever happens to the test: a shell that outlives it reads pids from a pipe, and when the
// pipe closes it kills those that are still on its list and removes the folders. A handler in the test itself would not
// run when the test is killed or hangs.
import { spawn } from 'node:child_process';

export interface Reaper {
  /** From now on it dies with the test. */
  watch(pid: number): void;
  /** It ended by itself: its pid may belong to somebody else soon. */
  forget(pid: number): void;
  /** Removed at the end. */
  folder(path: string): void;
}

const SCRIPT = `trap '' INT TERM HUP
pids=' '; folders=
while read -r what value; do
  case $what in
    watch) pids="$pids$value " ;;
    forget) pids=$(printf '%s' "$pids" | sed "s/ $value / /") ;;
    folder) folders="$folders
$value" ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
sleep 0.2
printf '%s\\n' "$folders" | while read -r folder; do [ -n "$folder" ] && rm -rf "$folder"; done`;

let shared: Reaper | undefined;

/** The reaper of this process. */
export function reaper(): Reaper {
  if (shared !== undefined) return shared;
  const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.unref();
  const pipe = shell.stdin as typeof shell.stdin & { unref?(): void };
  pipe.unref?.();
  pipe.on('error', () => {});
  const say = (line: string): void => void pipe.write(`${line}\n`);
  shared = {
    watch: (pid) => say(`watch ${pid}`),
    forget: (pid) => say(`forget ${pid}`),
    folder: (path) => say(`folder ${path}`),
  };
  return shared;
}
