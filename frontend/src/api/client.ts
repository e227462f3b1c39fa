/** The calls the page makes, one function each. */
import type { Http, Reply } from "./http";
import type { Consent, Execution, NewTask, Task, TaskList } from "./types";

export class Api {
  constructor(private readonly http: Http) {}

  listTasks(etag: string | undefined, signal: AbortSignal): Promise<Reply<TaskList>> {
    return this.http.request("GET", "/api/tasks", { etag, signal });
  }

  createTask(task: NewTask): Promise<Task> {
    return this.http.json("POST", "/api/tasks", task);
  }

  deleteTask(id: string): Promise<unknown> {
    return this.http.json("DELETE", taskPath(id));
  }

  linkToken(taskId: string, persistentTokenId: string): Promise<Task> {
    return this.http.json("POST", `${taskPath(taskId)}/link-persistent-id`, { persistentTokenId });
  }

  executeTask(id: string): Promise<Execution> {
    return this.http.json("POST", `${taskPath(id)}/execute`);
  }

  requestConsent(taskId: string): Promise<Consent> {
    return this.http.json("POST", "/api/auth/manager/offline-consent", { taskId });
  }

  revokeToken(persistentTokenId: string): Promise<unknown> {
    return this.http.json("DELETE", `/api/auth/manager/tokens/${encodeURIComponent(persistentTokenId)}`);
  }
}

const taskPath = (id: string): string => `/api/tasks/${encodeURIComponent(id)}`;
