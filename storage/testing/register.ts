// node:test answers a promise for each registration, which nobody awaits: said once here instead of at every test.
import { describe, test as register } from 'node:test';

type Options = { skip: string | false };
type Run = () => void | Promise<void>;

export function test(name: string, run: Run, options: Options = { skip: false }): void {
  void register(name, options, run);
}

export function suite(name: string, options: Options, define: () => void): void {
  void describe(name, options, define);
}
