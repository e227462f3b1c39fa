/** The newest of the person's tasks, for what is said of their access: which tasks use it. */
import type { Api } from "../api/client";
import type { Task } from "../api/types";
import { Collection } from "../data/collection";

/** Tasks of one answer, at most. */
const MOST = 1000;
/** Milliseconds between two requests while no page shows access: enough for the number in the bar. */
const SELDOM = 60_000;

export class LinkedTasks extends Collection<Task> {
  private cut = false;

  constructor(api: Pick<Api, "listTasks">, page: Document = document) {
    const load = async (etag: string | undefined, aborted: AbortSignal) => {
      const { data, etag: version } = await api.listTasks({ limit: MOST }, etag, aborted);
      if (data !== undefined) this.cut = data.nextCursor !== undefined;
      return { data: data?.tasks, etag: version };
    };
    super({ load, key: (task) => task.id, seldom: SELDOM }, page);
  }

  /** What this tab does is put into the rows by itself: the whole is asked for anew only while somebody looks. */
  override refresh(): void {
    if (this.viewers > 0) super.refresh();
  }

  /** False when there may be tasks that are not among these. */
  get complete(): boolean {
    return this.rows.value !== undefined && !this.cut;
  }
}
