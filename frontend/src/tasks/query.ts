/**
 * Which tasks the list shows, and in which order. Today the page selects from all that it holds; `TaskSelection` is what
 * a paging server will answer instead.
 */
import type { Task } from "../api/types";
import { needsToken } from "./view";

export const FILTERS = ["all", "needsYou", "running", "failed", "done", "scheduled"] as const;
export type Filter = (typeof FILTERS)[number];
export const SORTS = ["newest", "oldest", "name", "status"] as const;
export type Sort = (typeof SORTS)[number];

export interface TaskQuery {
  filter: Filter;
  text: string;
  sort: Sort;
}

export interface TaskSelection {
  tasks: readonly Task[];
  /** Of all tasks that match the text, by filter. */
  counts: Readonly<Record<Filter, number>>;
}

const MATCHES: Record<Filter, (task: Task) => boolean> = {
  all: () => true,
  needsYou: needsToken,
  running: ({ status }) => status === "running" || status === "queued" || status === "waiting",
  failed: ({ status }) => status === "failed",
  done: ({ status }) => status === "completed",
  scheduled: ({ schedule }) => schedule?.status === "active" || schedule?.status === "paused" || schedule?.status === "stopped",
};

const STATUS_ORDER = ["running", "queued", "waiting", "failed", "pending", "cancelled", "completed"];
const names = new Intl.Collator(undefined, { numeric: true });

/** `all` comes newest first, as the server lists it. */
const ORDERS: Record<Sort, ((a: Task, b: Task) => number) | undefined> = {
  newest: undefined,
  oldest: (a, b) => a.createdAt.localeCompare(b.createdAt),
  name: (a, b) => names.compare(a.name, b.name),
  status: (a, b) => STATUS_ORDER.indexOf(a.status) - STATUS_ORDER.indexOf(b.status),
};

export function select(all: readonly Task[], { filter, text, sort }: TaskQuery): TaskSelection {
  const wanted = text.trim().toLocaleLowerCase();
  const found = wanted === "" ? all : all.filter((task) => mentions(task, wanted));
  const counts: Record<Filter, number> = { all: 0, needsYou: 0, running: 0, failed: 0, done: 0, scheduled: 0 };
  for (const task of found) for (const name of FILTERS) if (MATCHES[name](task)) counts[name] += 1;
  const tasks = filter === "all" ? found : found.filter(MATCHES[filter]);
  const order = ORDERS[sort];
  return { tasks: order === undefined ? tasks : [...tasks].sort(order), counts };
}

/** The query of an address; what it does not know is left at its default. */
export function readQuery(search: URLSearchParams): TaskQuery {
  return {
    filter: FILTERS.find((name) => name === search.get("status")) ?? "all",
    text: (search.get("q") ?? "").slice(0, 200),
    sort: SORTS.find((name) => name === search.get("sort")) ?? "newest",
  };
}

/** The address of a query: only what differs from the default. */
export function addressOf({ filter, text, sort }: TaskQuery): string {
  const search = new URLSearchParams();
  if (filter !== "all") search.set("status", filter);
  if (text !== "") search.set("q", text);
  if (sort !== "newest") search.set("sort", sort);
  const written = search.toString();
  return written === "" ? "/tasks" : `/tasks?${written}`;
}

function mentions(task: Task, wanted: string): boolean {
  return task.name.toLocaleLowerCase().includes(wanted) || task.description.toLocaleLowerCase().includes(wanted);
}
