/** How things stand, as one sentence: which part does not answer, and what that means for the tasks. */
import type { Task } from "./api/types";
import type { Health } from "./data/poller";
import { maybe, t } from "./texts";

export interface Report {
  state: "live" | "offline" | "trouble";
  text: string;
  /** What to do about it. */
  advice?: string;
}

export interface Signs {
  tasks: Health;
  vault: Health;
  rows: readonly Task[];
  /** False when this machine knows that it has no network. */
  online: boolean;
  /** Milliseconds that this machine's clock is behind the server's. */
  clockOffset: number;
  /** How many tasks wait for a worker that does not come. */
  workerLate: number;
}

/** A queued task that this page has seen waiting for so many milliseconds has no worker. */
const WORKER_LATE = 15_000;

/** Counts queued tasks that wait while none runs. The service does not say since when: this remembers since when it was seen. */
export class WaitingRoom {
  private seen = new Map<string, number>();

  late(rows: readonly Task[], now: number): number {
    const queued = rows.filter(({ status }) => status === "queued");
    this.seen = new Map(queued.map(({ id }) => [id, this.seen.get(id) ?? now]));
    if (rows.some(({ status }) => status === "running")) return 0;
    return queued.filter(({ id }) => now - (this.seen.get(id) ?? now) > WORKER_LATE).length;
  }
}

/** The first thing that is wrong, from the near to the far. */
export function healthOf(signs: Signs): Report {
  const { tasks, vault } = signs;
  if (tasks.state === "offline") return lost(signs.online);
  if (tasks.state === "trouble") return { state: "trouble", ...codeWords("tasks", tasks.code) };
  if (vault.state === "offline") return lost(signs.online);
  if (vault.state === "trouble") return { state: "trouble", ...codeWords("vault", vault.code), ...waiting(signs.rows) };
  if (signs.clockOffset !== 0) return clock(signs.clockOffset);
  if (signs.workerLate > 0) return { state: "trouble", text: t("health.worker", { count: signs.workerLate }), advice: t("health.worker.advice") };
  return { state: "live", text: t("health.live") };
}

function lost(online: boolean): Report {
  const kind = online ? "noAnswer" : "offline";
  return { state: "offline", text: t(`health.${kind}`), advice: t(`advice.${kind}`) };
}

function codeWords(part: "tasks" | "vault", code: string): { text: string; advice: string } {
  if (code === "provider_unavailable") return { text: t("health.provider"), advice: t("health.provider.advice") };
  if (code === "no_json") return { text: t("health.no_json"), advice: t("advice.no_json") };
  if (code === "rate_limited") return { text: t("health.rate_limited"), advice: t("advice.rate_limited") };
  return { text: t(`health.${part}`), advice: maybe(`health.${part}.advice`) ?? "" };
}

function waiting(rows: readonly Task[]): { text: string } {
  const count = rows.filter(({ status }) => status === "queued" || status === "running").length;
  return { text: count === 0 ? t("health.vault") : t("health.vaultWaits", { count }) };
}

function clock(offset: number): Report {
  const minutes = Math.max(1, Math.round(Math.abs(offset) / 60_000));
  const text = offset > 0 ? t("health.clockBehind", { minutes }) : t("health.clockAhead", { minutes });
  return { state: "trouble", text, advice: t("health.clock.advice") };
}
