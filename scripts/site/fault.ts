// For tests of the processes: ends this process at a named point as kill -9 would, so that a test need not hit a moment
// of microseconds by chance. Without a name there is nothing to call.
export function faultAt(wanted: string | undefined): ((point: string) => void) | undefined {
  if (wanted === undefined || wanted === '') return undefined;
  return (point) => {
    if (point !== wanted) return;
    process.kill(process.pid, 'SIGKILL');
    // Nothing of what comes next may happen while the signal is on its way.
    throw new Error(`ended at ${point}`);
  };
}
