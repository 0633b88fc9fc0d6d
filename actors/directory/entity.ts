/** What every stored entity carries (metal-api: base fields). Times are epoch milliseconds. */
export interface Entity {
  id: string;
  /** `''` when not given, like all optional text. */
  name: string;
  description: string;
  created: number;
  changed: number;
}

/** What an update may leave out: an absent field keeps what is stored. */
export interface EntityUpdate {
  name?: string | undefined;
  description?: string | undefined;
}

/** The entity with the base fields of an update laid over it. */
export const touched = <E extends Entity>(stored: E, update: EntityUpdate, nowMs: number): E => ({
  ...stored,
  name: update.name ?? stored.name,
  description: update.description ?? stored.description,
  changed: nowMs,
});

/** By code units, as a database without locale sorts: the same order on every site. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
export const byId = (a: { id: string }, b: { id: string }): number => byText(a.id, b.id);
