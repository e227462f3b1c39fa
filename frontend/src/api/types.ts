/** The two services' JSON, as far as the page reads it. Absent fields are omitted, never null. */

export type TaskStatus = "pending" | "queued" | "running" | "completed" | "failed" | "cancelled";
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

export type GrantStatus = "pending" | "active" | "failed" | "revoked" | "expired";

/** An offline grant as its owner sees it: everything but the token. */
export interface Grant {
  persistentTokenId: string;
  status: GrantStatus;
  tokenType: "offline" | "refresh";
  provider: string;
  scopes: string[];
  /** The clients that may use it. */
  services: string[];
  createdAt: string;
  uses: number;
  failure?: string;
  taskId?: string;
  account?: { issuer: string; subject: string };
  activatedAt?: string;
  lastUsedAt?: string;
  lastRefreshedAt?: string;
  expiresAt?: string;
  notAfter?: string;
  maxUses?: number;
}

export interface AuditLine {
  at: string;
  event: string;
  /** A client id; `vault` for the vault itself. */
  actor: string;
  outcome: string;
  requestId: string;
}

export interface AuditPage {
  /** Newest first. */
  lines: AuditLine[];
  /** The `before` of the next page. */
  next?: number;
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
