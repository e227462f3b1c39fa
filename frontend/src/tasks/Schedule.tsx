import type { Outlook, ScheduleStatus, Task } from "../api/types";
import { useApp } from "../app";
import { moment } from "../dates";
import { language, maybe, t } from "../texts/later";
import { Badge, type BadgeView } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Clock, Pause, Play } from "../ui/icons";
import { Time } from "../ui/Time";
import { useLoaded } from "../ui/useLoaded";
import { cronWords } from "./cronWords";
import { NextRuns } from "./ScheduleFields";
import type { BadgeIcon, Tone } from "./view";

const SCHEDULES: Record<ScheduleStatus, readonly [Tone, BadgeIcon]> = {
  active: ["blue", "again"],
  paused: ["gray", "dot"],
  ended: ["gray", "check"],
  stopped: ["red", "cross"],
};

export function scheduleBadge(status: ScheduleStatus): BadgeView {
  const [tone, icon] = (SCHEDULES as Partial<typeof SCHEDULES>)[status] ?? ["gray", "dot"];
  return { label: maybe(`schedule.${status}`) ?? status, tone, icon };
}

/** When a task runs by itself next, whether its access lasts until then, and what can be done about it. */
export function Schedule({ task }: { task: Task }) {
  const { schedules, work } = useApp();
  const { schedule } = task;
  const { data, failed } = useLoaded(() => schedules.outlook(task.id), [task]);
  if (schedule === undefined) return null;
  const busy = work.busy.value.has(task.id);
  const stands = schedule.status === "paused" || schedule.status === "stopped";
  return (
    <section class="sheet panel" aria-labelledby="schedule" data-schedule={schedule.status}>
      <div class="panel-head">
        <h2 id="schedule">{t("schedule.title")}</h2>
        <Button small look="quiet" busy={busy} onClick={() => void schedules.runNow(task.id)}><Play class="icon" /> {t("schedule.runNow")}</Button>
        {schedule.status === "active" && <Button small look="quiet" busy={busy} onClick={() => void schedules.change(task.id, "pause")}><Pause class="icon" /> {t("schedule.pause")}</Button>}
        {stands && <Button small look="quiet" busy={busy} onClick={() => void schedules.change(task.id, "resume")}><Play class="icon" /> {t("schedule.resume")}</Button>}
        <Button small look="quiet" busy={busy} onClick={() => void schedules.change(task.id, "remove")}>{t("schedule.remove")}</Button>
      </div>
      <p class="schedule-words">
        <Badge {...scheduleBadge(schedule.status)} />
        <span>{schedule.cron ? <>{cronWords(schedule.cron)} <code>{schedule.cron}</code> {schedule.timezone}</> : schedule.runAt && <Time at={schedule.runAt} />}</span>
      </p>
      {schedule.stopReason && <p class="bad">{t(`schedule.stopped.${schedule.stopReason}`)}</p>}
      {schedule.missedAt && <p class="soft">{t("schedule.missed")} <Time at={schedule.missedAt} />.</p>}
      {data !== undefined && data.nextRuns.length > 0 && <NextRuns runs={data.nextRuns.map((at) => new Date(at))} timezone={schedule.timezone} />}
      {data === undefined && <p class="soft">{t(failed ? "schedule.failed" : "schedule.loading")}</p>}
      {data !== undefined && <ConsentForecast outlook={data} />}
    </section>
  );
}

/** Whether the granted access lasts until the next run. */
function ConsentForecast({ outlook: { consentForecast, accessEndsAt } }: { outlook: Outlook }) {
  if (consentForecast === undefined) return null;
  const bad = consentForecast === "ends_before_next_run" || consentForecast === "no_access";
  const when = accessEndsAt === undefined ? t("access.endUnknown") : moment(accessEndsAt, language.value);
  return (
    <div class={`hint ${bad ? "tone-red" : consentForecast === "covered" ? "tone-green" : "tone-gray"}`} data-forecast={consentForecast}>
      <Clock class="icon" />
      <p key={consentForecast}>{t(`forecast.${consentForecast}`, { when })}</p>
    </div>
  );
}
