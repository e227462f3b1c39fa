import type { Draft } from "../drafts";
import { AccessField } from "./AccessField";
import { DependsField } from "./DependsField";
import type { FieldErrors } from "./form";
import { KindFields } from "./KindFields";
import { RetryFields } from "./RetryFields";
import { ScheduleFields } from "./ScheduleFields";

/** What most tasks leave out. A chunk of its own: it is fetched when somebody opens it. */
export function MoreFields({ draft, errors }: { draft: Draft; errors: FieldErrors }) {
  return (
    <>
      <AccessField draft={draft} errors={errors} />
      <KindFields draft={draft} errors={errors} />
      <ScheduleFields draft={draft} errors={errors} />
      <DependsField draft={draft} errors={errors} />
      <RetryFields draft={draft} errors={errors} />
    </>
  );
}
