import { describe, expect, it } from "vitest";

import { isDrawn } from "../src/tasks/DependencyGraph";
import { fieldErrors, readTask } from "../src/tasks/form";
import { layoutOf } from "../src/tasks/graphLayout";
import { ApiError } from "../src/api/http";

const graph = (...edges: [string, string][]) => ({
  nodes: [...new Set(edges.flat())].map((id) => ({ id, name: id, status: "pending" as const })),
  edges: edges.map(([taskId, dependsOn]) => ({ taskId, dependsOn })),
  complete: true,
});
const columns = (laid: ReturnType<typeof layoutOf>) => Object.fromEntries(laid.places.map(({ node, column }) => [node.id, column]));

describe("the graph of dependencies", () => {
  it("has each task to the right of all that it waits for, each in a place of its own", () => {
    const laid = layoutOf(graph(["report", "clean"], ["clean", "load"], ["report", "load"], ["mail", "report"], ["clean", "count"]));
    expect(columns(laid)).toEqual({ load: 0, count: 0, clean: 1, report: 2, mail: 3 });
    expect(new Set(laid.places.map(({ column, row }) => `${column} ${row}`)).size).toBe(5);
    expect([laid.columns, laid.rows, laid.lines.length]).toEqual([4, 2, 5]);
  });

  it("places what goes round in a circle once, and draws no line to a task that was left out", () => {
    const circle = layoutOf(graph(["a", "b"], ["b", "a"]));
    expect(circle.places).toHaveLength(2);
    const { nodes, edges } = graph(["a", "b"]);
    expect(layoutOf({ nodes: nodes.slice(0, 1), edges }).lines).toEqual([]);
    expect(layoutOf({ nodes: [], edges: [] })).toMatchObject({ columns: 0, rows: 0 });
  });

  it("is drawn from four dependencies on, and up to a hundred tasks", () => {
    const chain = (length: number) => graph(...Array.from({ length }, (_, n): [string, string] => [`t${n + 1}`, `t${n}`]));
    expect([3, 4, 99, 100].map((length) => isDrawn(chain(length)))).toEqual([false, true, true, false]);
  });
});

describe("dependencies in the form", () => {
  it("are sent by their ids", () => {
    const dependsOn = JSON.stringify([{ id: "task-1", name: "Load" }, { id: "task-2", name: "<b>" }]);
    expect(readTask({ name: "Report", dependsOn })).toMatchObject({ task: { dependsOn: ["task-1", "task-2"] } });
    expect(readTask({ name: "Report", dependsOn: "" })).toEqual({ task: { name: "Report", description: "" } });
  });

  it("have the API's objection at their field", () => {
    const problem = { title: "Invalid", status: 422, code: "invalid_input", errors: [{ pointer: "#/dependsOn/1", detail: "There is no such task." }] };
    expect(fieldErrors(new ApiError(problem, undefined))).toEqual({ dependsOn: "There is no such task." });
  });
});
