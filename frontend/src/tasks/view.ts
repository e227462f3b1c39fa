/** What the page shows of a task, and what it offers to do with it. Words and colours are the document's. */
import type { Task, TaskStatus, TokenStatus } from "../api/types";

export type Tone = "gray" | "blue" | "green" | "red" | "yellow" | "purple";
export type BadgeIcon = "dot" | "check" | "cross" | "spin";

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
  canRequestToken: boolean;
  canExecute: boolean;
}

const STATUS: Record<TaskStatus, Badge> = {
  pending: { label: "Pending", tone: "gray", icon: "dot" },
  waiting: { label: "Waiting", tone: "purple", icon: "dot" },
  queued: { label: "Queued", tone: "purple", icon: "spin" },
  running: { label: "Running", tone: "blue", icon: "spin" },
  completed: { label: "Completed", tone: "green", icon: "check" },
  failed: { label: "Failed", tone: "red", icon: "cross" },
  cancelled: { label: "Cancelled", tone: "gray", icon: "cross" },
};

const TOKEN: Record<TokenStatus, Badge> = {
  pending: { label: "Token pending", tone: "yellow", icon: "dot" },
  active: { label: "Token active", tone: "green", icon: "check" },
  failed: { label: "Token failed", tone: "red", icon: "cross" },
};

/** Why a task without a usable token can't run. The first sentences are the API's, verbatim. */
const HINTS: Record<Exclude<TokenStatus, "active"> | "none", NonNullable<TaskView["hint"]>> = {
  none: {
    tone: "purple",
    text: "Task needs offline token. Please request consent first.",
    advice: "You will be asked to grant access, and come back here.",
  },
  pending: {
    tone: "yellow",
    text: "Waiting for user to grant consent",
    advice: "Finish granting access, or ask again to open a new consent page.",
  },
  failed: {
    tone: "red",
    text: "Token request failed. Please try again.",
    advice: "Request a new token and grant access once more.",
  },
};

const STARTABLE: ReadonlySet<TaskStatus> = new Set(["pending", "failed", "cancelled"]);

export function viewOf(task: Task): TaskView {
  const startable = STARTABLE.has(task.status);
  const usable = task.offlineTokenStatus === "active";
  return {
    status: STATUS[task.status],
    token: task.offlineTokenStatus && TOKEN[task.offlineTokenStatus],
    progress: task.status === "running" ? percent(task.progress) : undefined,
    outcome: outcomeOf(task, usable),
    hint: startable && task.offlineTokenStatus !== "active" ? HINTS[task.offlineTokenStatus ?? "none"] : undefined,
    canRequestToken: startable && !usable,
    canExecute: startable && usable,
  };
}

/** Whether the server is expected to change this task soon, without anyone clicking. */
export function isMoving(task: Task): boolean {
  return task.status === "queued" || task.status === "running" || task.offlineTokenStatus === "pending";
}

/** The id to offer for revocation when `task` goes: its own, unless another task lives on it. */
export function tokenOnlyUsedBy(task: Task, all: readonly Task[]): string | undefined {
  const id = task.persistentTokenId;
  const shared = all.some((other) => other.id !== task.id && other.persistentTokenId === id);
  return shared ? undefined : id;
}

function outcomeOf(task: Task, usable: boolean): TaskView["outcome"] {
  if (task.status === "completed") {
    return { tone: "green", text: task.result ?? "The task is done." };
  }
  if (task.status === "failed") {
    const text = task.error ?? "The task failed without giving a reason.";
    return { tone: "red", text, ...(usable && { advice: "Check the reason above, then execute the task again." }) };
  }
  return undefined;
}

function percent(progress: number | undefined): number {
  return Math.min(100, Math.max(0, Math.round(progress ?? 0)));
}
