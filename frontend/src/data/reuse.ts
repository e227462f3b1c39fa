/** Keeps the objects of rows that are equal, so that whatever compares by identity sees only what has changed. */

/** `after`, with each row that equals the one of the same key in `before` replaced by it; `before` itself if all are. */
export function reuse<T extends object>(before: readonly T[] | undefined, after: readonly T[], key: (row: T) => string): readonly T[] {
  if (before === undefined) return after;
  const known = new Map(before.map((row) => [key(row), row]));
  const rows = after.map((row) => {
    const old = known.get(key(row));
    return old !== undefined && equal(old, row) ? old : row;
  });
  const unchanged = rows.length === before.length && rows.every((row, index) => row === before[index]);
  return unchanged ? before : rows;
}

/** Whether two values of JSON are equal. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => equal((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}
