/** Which tasks the list shows, in which order: as the page's address says it, and as the server is asked. */
import type { TaskCounts, TaskFilter, TaskListQuery } from "../api/types";

export const FILTERS = ["all", "needsYou", "running", "failed", "done", "scheduled"] as const;
export type Filter = (typeof FILTERS)[number];
export const SORTS = ["newest", "oldest", "name", "nameDown"] as const;
export type Sort = (typeof SORTS)[number];

export interface TaskQuery {
  filter: Filter;
  text: string;
  sort: Sort;
  /** Where the page begins: the server's cursor; the first page has none. */
  after?: string;
}

/** The same list from its beginning. */
export const fromStart = ({ filter, text, sort }: TaskQuery): TaskQuery => ({ filter, text, sort });

/** Tasks of one page of the list. */
export const PAGE = 100;

const ORDERS = { newest: "-createdAt", oldest: "createdAt", name: "name", nameDown: "-name" } as const satisfies Record<Sort, TaskListQuery["sort"]>;

const FILTERED: Record<Filter, TaskFilter> = {
  all: {},
  needsYou: { needsConsent: true },
  running: { status: ["running", "queued", "waiting"] },
  failed: { status: ["failed"] },
  done: { status: ["completed"] },
  scheduled: { schedule: "standing" },
};

/** The filter of a query, as a batch takes it. */
export function filterOf({ filter, text }: TaskQuery): TaskFilter {
  const search = text.trim();
  return { ...FILTERED[filter], ...(search !== "" && { search }) };
}

/** The query of the request for one page. */
export function requestOf(query: TaskQuery): TaskListQuery {
  const { status, ...filter } = filterOf(query);
  return {
    ...(filter as TaskListQuery),
    ...(status && { status: status.join(",") }),
    ...(query.after !== undefined && { cursor: query.after }),
    sort: ORDERS[query.sort],
    limit: PAGE,
    counts: true,
    lastRuns: true,
  };
}

/** How many tasks each filter has; the server counts those that need the person, and those with a schedule, to 1,000. */
export function countsOf({ total, needsConsent, running, queued, waiting, failed, completed, scheduled }: TaskCounts): Record<Filter, number> {
  return { all: total, needsYou: needsConsent, running: running + queued + waiting, failed, done: completed, scheduled };
}

const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** The query of an address; what it does not know is left at its default. */
export function readQuery(search: URLSearchParams): TaskQuery {
  const after = search.get("after")?.slice(0, 2000);
  return {
    filter: FILTERS.find((name) => name === search.get("status")) ?? "all",
    text: (search.get("q") ?? "").replace(CONTROLS, " ").slice(0, 200),
    sort: SORTS.find((name) => name === search.get("sort")) ?? "newest",
    ...(after && { after }),
  };
}

/** The address of a query: only what differs from the default. */
export function addressOf({ filter, text, sort, after }: TaskQuery): string {
  const search = new URLSearchParams();
  if (filter !== "all") search.set("status", filter);
  if (text !== "") search.set("q", text);
  if (sort !== "newest") search.set("sort", sort);
  if (after !== undefined) search.set("after", after);
  const written = search.toString();
  return written === "" ? "/tasks" : `/tasks?${written}`;
}
