import { useEffect, useState } from "preact/hooks";

import type { Draft } from "../drafts";
import { format } from "../dates";
import { language, t } from "../texts/later";
import { Field } from "../ui/Field";
import { cronWords } from "./cronWords";
import { WHENS, type FieldErrors, type When } from "./form";

const SHOWN = 5;
const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Once at a time, or again and again by cron in a time zone; the next five runs are shown before anything is saved. */
export function ScheduleFields({ draft, errors }: { draft: Draft; errors: FieldErrors }) {
  const [when, setWhen] = useState<When>(() => WHENS.find((known) => known === draft.when) ?? "");
  const [cron, setCron] = useState(draft.cron ?? "");
  const [timezone, setTimezone] = useState(draft.timezone ?? HERE);
  return (
    <fieldset class="group">
      <legend>{t("schedule.title")}</legend>
      <Field name="when" label={t("schedule.when")} error={undefined}>
        {(props) => (
          <select {...props} value={when} onChange={(event) => setWhen(event.currentTarget.value as When)}>
            {WHENS.map((known) => <option key={known} value={known}>{t(`schedule.when.${known || "never"}`)}</option>)}
          </select>
        )}
      </Field>
      {when === "once" && (
        <Field name="runAt" label={t("schedule.runAt")} error={errors.runAt}>
          {(props) => <input {...props} type="datetime-local" defaultValue={draft.runAt ?? ""} />}
        </Field>
      )}
      {when === "cron" && (
        <>
          <Field name="cron" label={t("schedule.cron")} error={errors.cron}>
            {(props) => <input {...props} type="text" class="mono" maxLength={100} autoComplete="off" spellcheck={false} placeholder="30 6 * * MON-FRI" value={cron} onInput={(event) => setCron(event.currentTarget.value)} />}
          </Field>
          <Field name="timezone" label={t("schedule.timezone")} error={errors.timezone}>
            {(props) => <input {...props} type="text" maxLength={100} autoComplete="off" list="time-zones" value={timezone} onInput={(event) => setTimezone(event.currentTarget.value)} />}
          </Field>
          <datalist id="time-zones">{Intl.supportedValuesOf("timeZone").map((zone) => <option key={zone} value={zone} />)}</datalist>
          <Preview cron={cron} timezone={timezone} />
        </>
      )}
    </fieldset>
  );
}

function Preview({ cron, timezone }: { cron: string; timezone: string }) {
  const [runs, setRuns] = useState<readonly Date[] | "unclear">([]);
  useEffect(() => {
    let current = true;
    const show = (found: readonly Date[] | "unclear") => current && setRuns(found);
    if (cron.trim() === "") show([]);
    else import("./nextRuns").then(({ nextRuns }) => show(nextRuns(cron, timezone, SHOWN, new Date()))).catch(() => show("unclear"));
    return () => (current = false);
  }, [cron, timezone]);
  if (runs === "unclear") return <p class="soft" role="status" data-next-runs="unclear">{t("schedule.unclear")}</p>;
  if (runs.length === 0) return cron.trim() === "" ? <p class="soft">{t("schedule.cron.text")}</p> : null;
  const words = cronWords(cron);
  return (
    <>
      {words !== undefined && <p class="cron-words" role="status">{words}</p>}
      <NextRuns runs={runs} timezone={timezone} />
    </>
  );
}

/** In the zone of the schedule. */
export function NextRuns({ runs, timezone }: { runs: readonly Date[]; timezone: string }) {
  const words = format(language.value, { dateStyle: "medium", timeStyle: "short", timeZone: timezone });
  return (
    <div class="next-runs" data-next-runs={runs.length}>
      <p class="soft">{t("schedule.next", { zone: timezone })}</p>
      <ol>{runs.map((run) => <li key={run.getTime()}><time dateTime={run.toISOString()}>{words.format(run)}</time></li>)}</ol>
    </div>
  );
}
