/**
 * Flags of Node for the processes of the product; ecosystem.config.cjs says them for PM2. The young generation of the main
 * thread: what a request needs lives until its group is written, and at Node's own 16 MiB much of it is copied into the old
 * one before (a tenth of the CPU of an acquisition at 64 clients). At 64 MiB no more is to be had, and a flood of slow
 * clients finds a process 150 MiB larger (F20).
 *
 * Pretenuring: where what is made lived long for a second, V8 makes all of it in the old generation from then on. With it stays
 * all that it leads to, until the next full collection: whole requests. Collecting took the main thread 30 µs a request at
 * three times the capacity, and 24 without; over 250 connections 28 µs in some runs, and 10 without (measured).
 */
export const NODE_FLAGS = [
  '--enable-source-maps',
  '--max-semi-space-size=32',
  '--no-allocation-site-pretenuring',
] as const;
