import { useState } from "preact/hooks";

import type { LogLevel, Task } from "../api/types";
import { useApp } from "../app";
import { exact, format } from "../dates";
import { language, t } from "../texts/later";
import { Button } from "../ui/Button";
import { linesOf, type OpenRun } from "./history";
import { LEVELS, linesFrom } from "./runs";

/** The log of a run, the oldest line first, from a level on; it says how much of it is here. */
export function RunLog({ task, open }: { task: Task; open: OpenRun }) {
  const { history, work, consents } = useApp();
  const [level, setLevel] = useState<LogLevel>("debug");
  const { number, logNext, attempts } = open.record;
  const lines = linesOf(open);
  const shown = linesFrom(lines, level);
  const clock = format(language.value, { timeStyle: "medium" });
  if (lines.length === 0) return <p class="soft">{t("log.none")}</p>;
  return (
    <section class="log" aria-label={t("log.title", { number })}>
      <div class="panel-head">
        <h4>{t("log.heading")}</h4>
        <label class="sort">
          <span class="unseen">{t("log.level")}</span>
          <select value={level} onChange={(event) => setLevel(event.currentTarget.value as LogLevel)}>
            {LEVELS.map((name) => <option key={name} value={name}>{t(`log.from.${name}`)}</option>)}
          </select>
        </label>
      </div>
      <div class="log-lines" tabIndex={0} role="region" aria-label={t("log.lines", { number })}>
        <ol>
          {shown.map((line, index) => (
            <li key={index} data-level={line.level}>
              <time dateTime={line.at} title={exact(line.at, language.value)}>{clock.format(new Date(line.at))}</time>
              <span class="log-level">{t(`log.${line.level}`)}</span>
              <span class="log-message" dir="auto">{attempts.length > 1 && <b>{t("attempt.name", { number: line.attempt })} </b>}{line.message}</span>
            </li>
          ))}
        </ol>
        {shown.length === 0 && <p class="soft">{t("log.noneOfLevel")}</p>}
      </div>
      <p class="soft log-end">{t(logNext === undefined ? "log.end" : "log.cut", { shown: shown.length, count: lines.length })}</p>
      {logNext !== undefined && (
        <Button small look="quiet" busy={work.busy.value.has(task.id)} onClick={() => void work.attempt(consents.row(task.id), () => history.moreLog(task.id, number))}>{t("log.more")}</Button>
      )}
    </section>
  );
}
