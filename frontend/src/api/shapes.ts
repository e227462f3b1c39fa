/**
 * What the page relies on in each answer, checked where it arrives: a gateway, a proxy or another version may answer
 * with JSON of another kind. A shape is an example: a member stands for one of its type, the one entry of a list for all
 * of them. Members that an answer may leave out are not named.
 */

/** Whether a value has all that the example has. */
export function fits(value: unknown, example: unknown): boolean {
  if (typeof example !== "object" || example === null) return typeof value === typeof example;
  if (Array.isArray(example)) return Array.isArray(value) && value.every((entry) => fits(entry, example[0]));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(example).every(([name, part]) => fits((value as Record<string, unknown>)[name], part));
}

/** The same JSON, in which a member that is null is absent. */
export function withoutNulls<T>(json: T): T {
  if (typeof json !== "object" || json === null) return json;
  for (const [name, part] of Object.entries(json)) {
    if (part === null && !Array.isArray(json)) Reflect.deleteProperty(json, name);
    else withoutNulls(part as unknown);
  }
  return json;
}

const RUN = { number: 0, status: "", cause: "", createdAt: "" };
const TASK = { id: "", name: "", description: "", status: "", createdAt: "" };
const GRANT = { persistentTokenId: "", status: "", tokenType: "", provider: "", scopes: [""], services: [""], createdAt: "", uses: 0 };

export const SHAPES = {
  anything: {},
  audit: { lines: [{ at: "", event: "", actor: "", outcome: "", requestId: "" }] },
  batch: { results: [{ id: "" }] },
  consent: { persistentTokenId: "", consentUrl: "" },
  execution: { status: "", message: "" },
  grant: GRANT,
  grants: { tokens: [GRANT] },
  graph: { nodes: [{ id: "", name: "", status: "" }], edges: [{ taskId: "", dependsOn: "" }], complete: true },
  kinds: { kinds: [{ kind: "", description: "", parameters: {} }] },
  outlook: { nextRuns: [""] },
  run: {
    ...RUN,
    attempts: [{ attempt: 0, persistentTokenId: "", requestId: "", queuedAt: "" }],
    log: [{ attempt: 0, at: "", level: "", message: "" }],
  },
  runs: { runs: [RUN] },
  task: TASK,
  tasks: { tasks: [TASK] },
  tickets: { tickets: [{ ticketId: "", name: "", maker: "", uses: 0, expiresAt: "" }] },
  way: { location: "" },
};
