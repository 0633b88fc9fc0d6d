/** So many ids may arrive out of order before an old one counts as a repeat. */
const WINDOW = 4_096;

/** Remembers ids that a peer numbers upwards from 1, in bounded memory. Answers whether the id is new. */
export function createSeen(): (id: number) => boolean {
  const recent = new Set<number>();
  let highest = 0;
  return (id) => {
    if (id <= highest - WINDOW || recent.has(id)) return false;
    recent.add(id);
    if (id > highest) {
      // A leap over more than a window forgets everything below it.
      if (id - highest > WINDOW) recent.forEach((old) => old <= id - WINDOW && recent.delete(old));
      else for (let old = highest - WINDOW + 1; old <= id - WINDOW; old += 1) recent.delete(old);
      highest = id;
    }
    return true;
  };
}
