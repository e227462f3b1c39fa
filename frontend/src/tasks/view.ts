/** What the page shows of a task, and what it offers to do with it. Words and colours are the document's. */
import type { Task, TaskStatus, TokenStatus, WaitReason } from "../api/types";
import { maybe, t } from "../texts";

export type Tone = "gray" | "blue" | "green" | "red" | "yellow" | "purple";
export type BadgeIcon = "dot" | "check" | "cross" | "spin" | "again";

export interface Badge {
  label: string;
  tone: Tone;
  icon: BadgeIcon;
}

export interface TaskView {
  status: Badge;
  token: Badge | undefined;
  /** Percent while the task is under way. */
  progress: number | undefined;
  outcome: { tone: "green" | "red"; text: string; advice?: string } | undefined;
  /** What stands between the task and its execution, in the API's words, and what to do about it. */
  hint: { tone: Tone; text: string; advice: string } | undefined;
  /** Why it waits, or why it was cancelled. nextAttemptAt: when it goes on by itself. */
  note: { tone: Tone; text: string; advice?: string; nextAttemptAt?: string } | undefined;
  canRequestToken: boolean;
  canExecute: boolean;
  canCancel: boolean;
  canRunAgain: boolean;
}

const STATUS: Record<TaskStatus, readonly [Tone, BadgeIcon]> = {
  pending: ["gray", "dot"],
  waiting: ["purple", "dot"],
  queued: ["purple", "spin"],
  running: ["blue", "spin"],
  completed: ["green", "check"],
  failed: ["red", "cross"],
  cancelled: ["gray", "cross"],
};

const TOKEN: Record<TokenStatus, readonly [Tone, BadgeIcon]> = {
  pending: ["yellow", "dot"],
  active: ["green", "check"],
  failed: ["red", "cross"],
};

/** Why a task without a usable token can't run; `hint.…` in the texts, whose first sentences are the API's. */
const HINTS: Record<Exclude<TokenStatus, "active"> | "none", Tone> = { none: "purple", pending: "yellow", failed: "red" };

const STARTABLE: ReadonlySet<TaskStatus> = new Set(["pending", "failed", "cancelled"]);

/** Changes when anything does that an error about the task could be mended by. */
export const stateOf = (task: Task): string => `${task.status} ${task.offlineTokenStatus ?? ""} ${task.persistentTokenId ?? ""}`;

/** Whether the task can't be executed, or run again, before its person grants access. */
export function needsToken({ status, offlineTokenStatus }: Task): boolean {
  return (STARTABLE.has(status) || status === "completed") && offlineTokenStatus !== "active";
}

export function canExecute(task: Task): boolean {
  return STARTABLE.has(task.status) && task.offlineTokenStatus === "active";
}

/** Whether there is a run that has not ended. */
export function canCancel({ status }: Task): boolean {
  return status === "waiting" || status === "queued" || status === "running";
}

/** A failed or cancelled task is executed; a completed one is asked to do its work once more. */
export function canRunAgain(task: Task): boolean {
  return task.status === "completed" && task.offlineTokenStatus === "active";
}

export function viewOf(task: Task): TaskView {
  const token = task.offlineTokenStatus;
  return {
    status: statusBadge(task.status, task.waitReason),
    token: token && badge("token", token, TOKEN[token]),
    progress: task.status === "running" ? percent(task.progress) : undefined,
    outcome: outcomeOf(task, token === "active"),
    hint: needsToken(task) ? hintOf(token === "active" ? undefined : token) : undefined,
    note: noteOf(task),
    canRequestToken: needsToken(task),
    canExecute: canExecute(task),
    canCancel: canCancel(task),
    canRunAgain: canRunAgain(task),
  };
}

/** A run that waits for its next attempt says so: it has failed, and is not lost. */
export function statusBadge(status: TaskStatus, waitReason: WaitReason | undefined): Badge {
  if (status === "waiting" && waitReason === "retry") return { label: t("status.retrying"), tone: "yellow", icon: "again" };
  return badge("status", status, STATUS[status]);
}

function noteOf({ status, statusReason, waitReason, nextAttemptAt, retry }: Task): TaskView["note"] {
  if (status === "cancelled") return { tone: "gray", text: statusReason ? t("note.cancelled", { reason: statusReason }) : t("note.cancelledNoReason") };
  if (status === "queued") return { tone: "purple", text: t("note.queued") };
  if (status !== "waiting") return undefined;
  const advice = statusReason ? { advice: statusReason } : {};
  if (waitReason !== "retry") return { tone: "purple", text: t(`note.waits.${waitReason ?? "other"}`), ...advice };
  const text = retry === undefined ? t("note.waits.retry") : t("note.waits.retryOf", { most: retry.maxAttempts });
  return { tone: "yellow", text, ...advice, ...(nextAttemptAt !== undefined && { nextAttemptAt }) };
}

/** A state of a later version of the service is shown by its own word. */
function badge(kind: "status" | "token", word: string, [tone, icon]: readonly [Tone, BadgeIcon] = ["gray", "dot"]): Badge {
  return { label: maybe(`${kind}.${word}`) ?? word, tone, icon };
}

function hintOf(token: "pending" | "failed" | undefined): NonNullable<TaskView["hint"]> {
  const kind = token ?? "none";
  return { tone: HINTS[kind], text: t(`hint.${kind}`), advice: t(`hint.${kind}.advice`) };
}

/** The grants that these tasks use and that may be alive. */
export function grantsOf(tasks: readonly Task[]): readonly string[] {
  const usable = tasks.filter((task) => task.offlineTokenStatus !== "failed");
  return [...new Set(usable.map((task) => task.persistentTokenId).filter((id) => id !== undefined))];
}

/** The grants that no other of their users uses: what to offer for revocation when these tasks go. */
export function grantsOnlyUsedBy(tasks: readonly Task[], users: readonly Task[]): readonly string[] {
  const going = new Set(tasks.map(({ id }) => id));
  const staying = new Set(users.filter(({ id }) => !going.has(id)).map((task) => task.persistentTokenId));
  return grantsOf(tasks).filter((id) => !staying.has(id));
}

function outcomeOf(task: Task, usable: boolean): TaskView["outcome"] {
  if (task.status === "completed") {
    return { tone: "green", text: task.result ?? t("outcome.done") };
  }
  if (task.status === "failed") {
    const text = task.error ?? t("outcome.noReason");
    return { tone: "red", text, ...(usable && { advice: t("outcome.again") }) };
  }
  return undefined;
}

function percent(progress: number | undefined): number {
  return Math.min(100, Math.max(0, Math.round(progress ?? 0)));
}
