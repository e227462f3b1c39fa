/** The calls the page makes, one function each. */
import type { Http, Reply } from "./http";
import type { AuditPage, Consent, Execution, Grant, NewTask, Task, TaskList } from "./types";

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

  listGrants(signal: AbortSignal): Promise<Reply<{ tokens: Grant[] }>> {
    return this.http.request("GET", GRANTS, { signal });
  }

  /** before: the `next` of the page before. */
  audit(persistentTokenId: string, limit: number, before?: number): Promise<AuditPage> {
    const page = before === undefined ? "" : `&before=${before}`;
    return this.http.json("GET", `${grantPath(persistentTokenId)}/audit?limit=${limit}${page}`);
  }

  exportAudit(persistentTokenId: string, format: "csv" | "ndjson"): Promise<Blob> {
    return this.http.blob(`${grantPath(persistentTokenId)}/audit/export?format=${format}`);
  }

  checkGrant(persistentTokenId: string): Promise<Grant> {
    return this.http.json("POST", `${grantPath(persistentTokenId)}/check`);
  }

  revokeToken(persistentTokenId: string): Promise<unknown> {
    return this.http.json("DELETE", grantPath(persistentTokenId));
  }
}

const taskPath = (id: string): string => `/api/tasks/${encodeURIComponent(id)}`;
const GRANTS = "/api/auth/manager/tokens";
const grantPath = (id: string): string => `${GRANTS}/${encodeURIComponent(id)}`;
