/** The two services' JSON, as far as the page reads it. Absent fields are omitted, never null. */

export type TaskStatus = "pending" | "waiting" | "queued" | "running" | "completed" | "failed" | "cancelled";
export type TokenStatus = "pending" | "active" | "failed";

export interface Task {
  id: string;
  name: string;
  description: string;
  status: TaskStatus;
  createdAt: string;
  startedAt?: string;
  completedAt?: string;
  userId: string;
  persistentTokenId?: string;
  offlineTokenStatus?: TokenStatus;
  result?: string;
  error?: string;
  /** 0–100 */
  progress?: number;
}

export interface TaskList {
  tasks: Task[];
}

export interface NewTask {
  name: string;
  description?: string;
}

export type ExecutionStatus = "needs_consent" | "waiting_consent" | "executing" | "token_failed";

export interface Execution {
  status: ExecutionStatus;
  message: string;
  taskId: string;
  persistentTokenId?: string;
}

export interface Consent {
  consentUrl: string;
  persistentTokenId: string;
  expiresAt: string;
  message: string;
}

/** `application/problem+json` (RFC 9457) with a stable `code`. */
export interface Problem {
  title: string;
  status: number;
  detail?: string;
  code: string;
  requestId?: string;
  errors?: { pointer: string; detail: string }[];
}
