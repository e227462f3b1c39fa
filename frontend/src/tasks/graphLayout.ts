/** Where the tasks of a graph of dependencies stand: one column for each step, what comes first on the left. */
import type { TaskGraph } from "../api/types";

/** A task's place. column: the longest way to it; row: within the column. Both count from 0. */
export interface Place {
  node: TaskGraph["nodes"][number];
  column: number;
  row: number;
}

export interface Layout {
  places: readonly Place[];
  lines: readonly { from: Place; to: Place }[];
  columns: number;
  rows: number;
}

/** The layout of a graph without cycles; what a cycle would repeat is placed once. Edges to unknown tasks have no line. */
export function layoutOf({ nodes, edges }: Pick<TaskGraph, "nodes" | "edges">): Layout {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const before = new Map<string, string[]>(nodes.map(({ id }) => [id, []]));
  for (const { taskId, dependsOn } of edges) if (known.has(dependsOn)) before.get(taskId)?.push(dependsOn);
  const places = new Map<string, Place>();
  const heights: number[] = [];
  for (const [id, column] of [...columnsOf(before)].sort(([, a], [, b]) => a - b)) {
    const node = known.get(id);
    if (node === undefined) continue;
    const row = heights[column] ?? 0;
    heights[column] = row + 1;
    places.set(id, { node, column, row });
  }
  const lines = edges.flatMap(({ taskId, dependsOn }) => {
    const [from, to] = [places.get(dependsOn), places.get(taskId)];
    return from && to ? [{ from, to }] : [];
  });
  return { places: [...places.values()], lines, columns: heights.length, rows: Math.max(0, ...heights) };
}

/** The longest way to each task, in steps. */
function columnsOf(before: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, number> {
  const columns = new Map<string, number>();
  const visit = (id: string, path: ReadonlySet<string>): number => {
    const found = columns.get(id);
    if (found !== undefined || path.has(id)) return found ?? 0;
    const further = new Set(path).add(id);
    const column = Math.max(-1, ...(before.get(id) ?? []).map((other) => visit(other, further))) + 1;
    columns.set(id, column);
    return column;
  };
  for (const id of before.keys()) visit(id, new Set());
  return columns;
}
