// What a handler sees of its turn: time, chance, versions, rows.
import type { Scope } from '../../address.ts';
import { rowName, type Row, type RowOf, type TableName } from '../../records.ts';
import type { Context } from '../behaviour.ts';
import type { Cell } from '../cell.ts';
import type { TurnHost } from '../turn.ts';

/** What the context reads of a turn. */
export interface Seen {
  readonly host: Pick<TurnHost, 'world' | 'version'>;
  readonly cell: Cell;
  /** Rows by name, null: known to be absent; null as a whole: none were needed. */
  readonly known: Map<string, Row | null> | null;
  /** 0: not read yet. */
  nowMs: number;
}

/** A class, because every message needs one, and may keep it beyond its turn: methods of its own would be made each time. */
export class TurnContext implements Context {
  private readonly turn: Seen;
  readonly who: string;

  constructor(turn: Seen, who: string) {
    this.turn = turn;
    this.who = who;
  }
  get scope(): Scope {
    return this.turn.cell.address.scope;
  }
  get id(): string {
    return this.turn.cell.address.id;
  }
  get nowMs(): number {
    const { turn } = this;
    if (turn.nowMs === 0) turn.nowMs = turn.host.world.wallMs();
    return turn.nowMs;
  }
  random(): number {
    return this.turn.host.world.random();
  }
  uuid(): string {
    return this.turn.host.world.uuid();
  }
  version(): number {
    return this.turn.host.version(this.scope);
  }
  row<T extends TableName>(table: T, key: string): RowOf<T> | undefined {
    const row = this.turn.known?.get(rowName({ table, scope: this.scope, key }));
    if (row === undefined) {
      throw new Error(`${this.turn.cell.behaviour.kind} did not say that it needs ${table} ${key}`);
    }
    return row === null ? undefined : (row as RowOf<T>);
  }
}
