/** The calls that the page makes, one method each. Paths, bodies and answers are checked against the API documents. */
import { problemOf } from "./http";
import { clientOf } from "./requests";
import { fits, SHAPES } from "./shapes";
import type { AuditPage, Batch, BatchAnswer, Confirmed, Consent, Declined, Execution, Grant, GrantList, KindList, NewTask, Outlook, Paths, RunList, RunRecord, Task, TaskGraph, TaskList, TaskListQuery, TicketList } from "./types";

export interface Reply<T> {
  /** Undefined when the server says that `etag` is still current. */
  data: T | undefined;
  etag: string | undefined;
}

interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export class Api {
  private readonly client;

  constructor(fetch: (request: Request) => Promise<Response>) {
    this.client = clientOf<Paths>(fetch);
  }

  listTasks(query: TaskListQuery, etag: string | undefined, signal: AbortSignal): Promise<Reply<TaskList>> {
    return reply(this.client.GET("/api/tasks", { params: { query }, headers: { "If-None-Match": etag }, signal }), SHAPES.tasks);
  }

  /** The tasks that use a grant: the newest hundred. */
  tasksOf(persistentTokenId: string): Promise<TaskList> {
    return answer(this.client.GET("/api/tasks", { params: { query: { persistentTokenId, limit: 100 } } }), SHAPES.tasks);
  }

  getTask(id: string, signal?: AbortSignal): Promise<Task> {
    return answer(this.client.GET("/api/tasks/{task_id}", { ...ofTask(id), ...(signal && { signal }) }), SHAPES.task);
  }

  /** One action on many tasks: at most 100 for each request. */
  batch(body: Batch): Promise<BatchAnswer> {
    return answer(this.client.POST("/api/tasks/batch", { body }), SHAPES.batch);
  }

  listKinds(): Promise<KindList> {
    return answer(this.client.GET("/api/tasks/kinds"), SHAPES.kinds);
  }

  createTask(task: NewTask): Promise<Task> {
    return answer(this.client.POST("/api/tasks", { body: task }), SHAPES.task);
  }

  deleteTask(id: string): Promise<unknown> {
    return answer(this.client.DELETE("/api/tasks/{task_id}", ofTask(id)));
  }

  linkToken(taskId: string, persistentTokenId: string): Promise<Task> {
    const body = { persistentTokenId };
    return answer(this.client.POST("/api/tasks/{task_id}/link-persistent-id", { ...ofTask(taskId), body }), SHAPES.task);
  }

  executeTask(id: string): Promise<Execution> {
    return answer(this.client.POST("/api/tasks/{task_id}/execute", ofTask(id)), SHAPES.execution);
  }

  /** reason: one line for people, or nothing. */
  cancelTask(id: string, reason: string): Promise<Task> {
    return answer(this.client.POST("/api/tasks/{task_id}/cancel", { ...ofTask(id), body: { reason } }), SHAPES.task);
  }

  runTaskAgain(id: string): Promise<Execution> {
    return answer(this.client.POST("/api/tasks/{task_id}/retry", ofTask(id)), SHAPES.execution);
  }

  /** before: the `next` of the previous page. */
  listRuns(taskId: string, before?: number): Promise<RunList> {
    const { params } = ofTask(taskId);
    const query = before === undefined ? {} : { before };
    return answer(this.client.GET("/api/tasks/{task_id}/runs", { params: { ...params, query } }), SHAPES.runs);
  }

  /** logAfter: the `logNext` of the previous page of the log, or 0. */
  getRun(taskId: string, number: number, logAfter: number): Promise<RunRecord> {
    const params = { path: { task_id: taskId, number: String(number) }, query: { logAfter } };
    return answer(this.client.GET("/api/tasks/{task_id}/runs/{number}", { params }), SHAPES.run);
  }

  getSchedule(taskId: string): Promise<Outlook> {
    return answer(this.client.GET("/api/tasks/{task_id}/schedule", ofTask(taskId)), SHAPES.outlook);
  }

  changeSchedule(taskId: string, change: "pause" | "resume"): Promise<unknown> {
    if (change === "pause") return answer(this.client.POST("/api/tasks/{task_id}/schedule/pause", ofTask(taskId)));
    return answer(this.client.POST("/api/tasks/{task_id}/schedule/resume", ofTask(taskId)));
  }

  removeSchedule(taskId: string): Promise<unknown> {
    return answer(this.client.DELETE("/api/tasks/{task_id}/schedule", ofTask(taskId)));
  }

  runScheduledNow(taskId: string): Promise<Execution> {
    return answer(this.client.POST("/api/tasks/{task_id}/schedule/run-now", ofTask(taskId)), SHAPES.execution);
  }

  /** A task with all that it depends on and all that depends on it. */
  getGraph(taskId: string): Promise<TaskGraph> {
    return answer(this.client.GET("/api/tasks/{task_id}/graph", ofTask(taskId)), SHAPES.graph);
  }

  /** taskIds: what it is for, one task or several. */
  requestConsent(taskIds: readonly string[]): Promise<Consent> {
    const [taskId] = taskIds;
    const body = taskIds.length === 1 && taskId !== undefined ? { taskId } : { taskIds: [...taskIds] };
    return answer(this.client.POST("/api/auth/manager/offline-consent", { body }), SHAPES.consent);
  }

  beginConsent(persistentTokenId: string): Promise<Consent> {
    return answer(this.client.POST("/api/auth/manager/offline-consent/{token_id}/begin", ofToken(persistentTokenId)), SHAPES.consent);
  }

  declineConsent(persistentTokenId: string): Promise<Declined> {
    return answer(this.client.POST("/api/auth/manager/offline-consent/{token_id}/decline", ofToken(persistentTokenId)), SHAPES.way);
  }

  renameToken(persistentTokenId: string, name: string): Promise<Grant> {
    const body = { name };
    return answer(this.client.POST("/api/auth/manager/tokens/{token_id}/rename", { ...ofToken(persistentTokenId), body }), SHAPES.grant);
  }

  /** secret: what the vault's callback gave the page. */
  confirmConsent(persistentTokenId: string, secret: string): Promise<Confirmed> {
    const body = { secret };
    return answer(this.client.POST("/api/auth/manager/offline-consent/{token_id}/confirm", { ...ofToken(persistentTokenId), body }), SHAPES.way);
  }

  findGrant(persistentTokenId: string): Promise<Grant> {
    return answer(this.client.GET("/api/auth/manager/tokens/{token_id}", ofToken(persistentTokenId)), SHAPES.grant);
  }

  /** All pages of the person's grants, live ones first. */
  async listGrants(signal: AbortSignal): Promise<Reply<GrantList>> {
    const first = await reply(this.client.GET("/api/auth/manager/tokens", { signal }), SHAPES.grants);
    const tokens = new Map(first.data?.tokens.map((grant) => [grant.persistentTokenId, grant]));
    let next = first.data?.next;
    while (next !== undefined) {
      const query = { after: next };
      const page: GrantList = await answer(this.client.GET("/api/auth/manager/tokens", { signal, params: { query } }), SHAPES.grants);
      for (const grant of page.tokens) tokens.set(grant.persistentTokenId, grant);
      next = page.next;
    }
    return first.data === undefined ? first : { data: { tokens: [...tokens.values()] }, etag: first.etag };
  }

  /** before: the `next` of the previous page. */
  audit(persistentTokenId: string, limit: number, before?: number): Promise<AuditPage> {
    const query = before === undefined ? { limit } : { limit, before };
    const { params } = ofToken(persistentTokenId);
    return answer(this.client.GET("/api/auth/manager/tokens/{token_id}/audit", { params: { ...params, query } }), SHAPES.audit);
  }

  exportAudit(persistentTokenId: string, format: "csv" | "ndjson"): Promise<Blob> {
    const params = { ...ofToken(persistentTokenId).params, query: { format } };
    return answer(this.client.GET("/api/auth/manager/tokens/{token_id}/audit/export", { params, parseAs: "blob" }));
  }

  listTickets(persistentTokenId: string): Promise<TicketList> {
    return answer(this.client.GET("/api/auth/manager/tokens/{token_id}/tickets", ofToken(persistentTokenId)), SHAPES.tickets);
  }

  endTicket(ticketId: string): Promise<unknown> {
    return answer(this.client.DELETE("/api/auth/manager/tickets/{ticket_id}", { params: { path: { ticket_id: ticketId } } }));
  }

  checkGrant(persistentTokenId: string): Promise<Grant> {
    return answer(this.client.POST("/api/auth/manager/tokens/{token_id}/check", ofToken(persistentTokenId)), SHAPES.grant);
  }

  revokeToken(persistentTokenId: string): Promise<unknown> {
    return answer(this.client.DELETE("/api/auth/manager/tokens/{token_id}", ofToken(persistentTokenId)));
  }
}

const ofTask = (id: string) => ({ params: { path: { task_id: id } } });
const ofToken = (id: string) => ({ params: { path: { token_id: id } } });

/** The body of a call that always answers with one, of that shape. Throws ApiError, and SyntaxError for another shape. */
async function answer<T>(call: Promise<Result<T>>, shape: object = SHAPES.anything): Promise<T> {
  const { data } = await reply(call, shape);
  if (data === undefined) throw new SyntaxError("no body");
  return data;
}

/** The body and validator of a call that may answer 304. Throws what `answer` does. */
async function reply<T>(call: Promise<Result<T>>, shape: object): Promise<Reply<T>> {
  const { data, error, response } = await call;
  const etag = response.headers.get("ETag") ?? undefined;
  if (response.status === 304) return { data: undefined, etag };
  if (!response.ok) throw problemOf(error, response);
  if (!fits(data, shape)) throw new SyntaxError("an answer of another shape");
  return { data, etag };
}
