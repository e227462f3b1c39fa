/** The two services' JSON under the page's names. `generated/` is written from their OpenAPI documents: `npm run types`. */
import type * as tasks from "./generated/tasks";
import type * as vault from "./generated/vault";

type TaskSchemas = tasks.components["schemas"];
type VaultSchemas = vault.components["schemas"];

export type Paths = tasks.paths & vault.paths;

export type Task = TaskSchemas["TaskView"];
export type TaskStatus = Task["status"];
export type TokenStatus = NonNullable<Task["offlineTokenStatus"]>;
export type TaskList = TaskSchemas["TaskList"];
export type TaskCounts = TaskSchemas["TaskCounts"];
export type TaskListQuery = NonNullable<tasks.operations["list_tasks"]["parameters"]["query"]>;
export type TaskFilter = TaskSchemas["BatchFilter"];
export type Batch = TaskSchemas["Batch"];
export type BatchAction = Batch["action"];
export type BatchAnswer = TaskSchemas["BatchAnswer"];
export type BatchResult = TaskSchemas["BatchResult"];
export type NewTask = TaskSchemas["NewTask"];
export type Kind = TaskSchemas["KindView"];
export type KindList = TaskSchemas["KindList"];
export type Execution = TaskSchemas["ExecutionView"];
export type Run = TaskSchemas["RunView"];
export type RunList = TaskSchemas["RunList"];
export type RunRecord = TaskSchemas["RunRecordView"];
export type Attempt = TaskSchemas["AttemptView"];
export type AttemptOutcome = NonNullable<Attempt["outcome"]>;
export type LogLine = TaskSchemas["LogLineView"];
export type LogLevel = LogLine["level"];
export type NewSchedule = TaskSchemas["NewSchedule"];
export type ScheduleStatus = TaskSchemas["ScheduleView"]["status"];
export type Outlook = TaskSchemas["OutlookView"];
export type TaskGraph = TaskSchemas["GraphView"];
export type WaitReason = NonNullable<Task["waitReason"]>;
export type ExecutionStatus = Execution["status"];
export type Consent = VaultSchemas["PendingConsent"];
export type Confirmed = VaultSchemas["ConfirmedConsent"];
export type Declined = VaultSchemas["DeclinedConsent"];
export type Grant = VaultSchemas["GrantView"];
export type GrantStatus = Grant["status"];
export type GrantList = VaultSchemas["GrantList"];
export type Ticket = VaultSchemas["TicketView"];
export type TicketList = VaultSchemas["TicketList"];
export type AuditLine = VaultSchemas["AuditLine"];
export type AuditPage = VaultSchemas["AuditPage"];

type ProblemDocument = TaskSchemas["ProblemDocument"];
/** `application/problem+json` (RFC 9457). The page also makes one of an answer that is none: that has no `detail`. */
export type Problem = Pick<ProblemDocument, "title" | "status" | "code"> & Partial<ProblemDocument>;
