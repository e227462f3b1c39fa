/** The person's tasks. */
import type { Api } from "../api/client";
import type { Task } from "../api/types";
import { Collection } from "../data/collection";
import type { Status } from "../status";
import { changes } from "./changes";

/** The server's list ends here, so the page may not know all tasks that there are. */
export const LONGEST_LIST = 1000;

export class TaskStore extends Collection<Task> {
  constructor(api: Pick<Api, "listTasks">, status: Status, page: Document = document) {
    const load = async (etag: string | undefined, aborted: AbortSignal) => {
      const reply = await api.listTasks(etag, aborted);
      return { data: reply.data?.tasks, etag: reply.etag };
    };
    super({ load, key: (task) => task.id, changed: (before, after) => status.say(...changes(before, after)) }, page);
  }

  /** False when there may be tasks that the list does not have. */
  get complete(): boolean {
    const known = this.rows.value?.length;
    return known !== undefined && known !== LONGEST_LIST;
  }
}
