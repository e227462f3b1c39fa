/** What stands in the form for a new task, read as the task that the API takes, or as what is wrong with it. */
import { ApiError } from "../api/http";
import type { NewSchedule, NewTask } from "../api/types";
import { t } from "../texts";

export type Field = "name" | "description" | "when" | "runAt" | "cron" | "timezone" | "attempts" | "backoff" | "maxBackoff" | "kind" | "parameters" | "access" | "dependsOn" | `parameters.${string}`;
/** What stands in the fields, by their names. */
export type Fields = Readonly<Record<string, string>>;
export type FieldErrors = Partial<Record<Field, string>>;
/** A task by its id, with its name for people. */
export interface Named {
  id: string;
  name: string;
}

/** Fields that stand under "More options". */
export const MORE: readonly Field[] = ["access", "dependsOn", "kind", "when", "runAt", "cron", "timezone", "attempts", "backoff", "maxBackoff"];

/** When a task runs: only when it is executed, once at a time, or again and again. */
export const WHENS = ["", "once", "cron"] as const;
export type When = (typeof WHENS)[number];

const MOST_ATTEMPTS = 20;
const DAY = 86_400;

/** JSON pointers of the API's objections, by the field that they are about. */
const POINTERS: Record<string, Field> = {
  "/name": "name",
  "/kind": "kind",
  "/parameters": "kind",
  "/persistentTokenId": "access",
  "/dependsOn": "dependsOn",
  "/description": "description",
  "/schedule/runAt": "runAt",
  "/schedule/cron": "cron",
  "/schedule/timezone": "timezone",
  "/retry/maxAttempts": "attempts",
  "/retry/backoff": "backoff",
  "/retry/maxBackoff": "maxBackoff",
};

export function readTask(fields: Fields): { task: NewTask } | { errors: FieldErrors } {
  const text = (field: Field) => fields[field]?.trim() ?? "";
  const errors: FieldErrors = {};
  if (text("name") === "") errors.name = t("create.nameless");
  const attempts = text("attempts") === "" ? 1 : Number(text("attempts"));
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > MOST_ATTEMPTS) errors.attempts = t("retry.notWhole");
  const seconds = (field: "backoff" | "maxBackoff") => {
    const value = Number(text(field));
    if (attempts > 1 && !(value >= 0 && value <= DAY)) errors[field] = t("retry.notSeconds");
    return text(field) === "" ? {} : { [field]: value };
  };
  const pauses = { ...seconds("backoff"), ...seconds("maxBackoff") };
  const schedule = readSchedule(text, errors);
  if (Object.keys(errors).length > 0) return { errors };
  const retry = attempts > 1 ? { retry: { maxAttempts: attempts, ...pauses } as NonNullable<NewTask["retry"]> } : {};
  const task = { name: text("name"), description: text("description"), ...retry, ...(schedule && { schedule }) };
  const dependsOn = readNamed(text("dependsOn")).map(({ id }) => id);
  const links = { ...(text("access") !== "" && { persistentTokenId: text("access") }), ...(dependsOn.length > 0 && { dependsOn }) };
  return { task: { ...task, ...readKind(text), ...links } };
}

/** Tasks as the form keeps them: a JSON array of ids with names. */
export function readNamed(text: string): readonly Named[] {
  return text === "" ? [] : (JSON.parse(text) as Named[]);
}

function readKind(text: (field: Field) => string): { kind?: string; parameters?: NonNullable<NewTask["parameters"]> } {
  if (text("kind") === "") return {};
  return { kind: text("kind"), ...(text("parameters") !== "" && { parameters: JSON.parse(text("parameters")) as NonNullable<NewTask["parameters"]> }) };
}

/** What is wrong is added to `errors`. A time stands in the form in the person's own zone. */
function readSchedule(text: (field: Field) => string, errors: FieldErrors): NewSchedule | undefined {
  if (text("when") === "once") {
    const at = new Date(text("runAt"));
    if (!Number.isNaN(at.getTime())) return { runAt: at.toISOString() };
    errors.runAt = t("schedule.noTime");
  }
  if (text("when") === "cron") {
    if (text("cron").split(/\s+/).length === 5) return { cron: text("cron"), timezone: text("timezone") || "UTC" };
    errors.cron = t("schedule.fiveFields");
  }
  return undefined;
}

/** The API's objections that are about our fields. */
export function fieldErrors(error: unknown): FieldErrors {
  const found: FieldErrors = {};
  if (!(error instanceof ApiError)) return found;
  for (const { pointer, detail } of error.problem.errors ?? []) {
    const place = pointer.replace(/^#/, "");
    const field = POINTERS[place.replace(/^(\/dependsOn)\/\d+$/, "$1")] ?? parameterAt(place);
    if (field !== undefined) found[field] = detail;
  }
  return found;
}

/** The field of the parameter that a JSON pointer leads into. */
function parameterAt(place: string): Field | undefined {
  const name = /^\/parameters\/([^/]+)/.exec(place)?.[1];
  return name === undefined ? undefined : `parameters.${name}`;
}

/** What stands in a form's fields, by their names. */
export function valuesOf(form: HTMLFormElement): Fields {
  return Object.fromEntries([...new FormData(form)].filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
