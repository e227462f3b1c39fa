import { useEffect, useRef, useState } from "preact/hooks";

import { useField } from "../navigation";
import { language, t } from "../texts";
import { Search } from "../ui/icons";
import { Words } from "../ui/Words";
import { FILTERS, SORTS, type Filter, type Sort, type TaskQuery } from "./query";

export interface ToolbarProps {
  query: TaskQuery;
  /** Undefined where nobody has counted. */
  counts: Readonly<Record<Filter, number>> | undefined;
  onChange: (query: TaskQuery) => void;
}

/** Milliseconds without a key after which the server is asked. */
const PAUSE = 250;
/** Where the server stops counting what needs the person, and what has a schedule. */
const COUNTED = 1000;

export function Toolbar({ query, counts, onChange }: ToolbarProps) {
  const field = useRef<HTMLInputElement>(null);
  const { text, type } = useText(query, onChange);
  useField("search", () => field.current?.focus());
  return (
    <div class="toolbar">
      <div class="chips" role="group" aria-label={t("tasks.filter")}>
        {FILTERS.map((filter) => (
          <button
            key={filter}
            type="button"
            class="chip"
            aria-pressed={query.filter === filter}
            onClick={() => onChange({ ...query, text, filter })}
          >
            {t(`filter.${filter}`)}{counts && <> <span class="chip-count"><Words text={countOf(filter, counts[filter])} /></span></>}
          </button>
        ))}
      </div>
      <div class="toolbar-fields">
        <label class="search">
          <span class="unseen">{t("tasks.search")}</span>
          <Search class="icon" />
          <input
            ref={field}
            type="search"
            maxLength={200}
            value={text}
            placeholder={t("tasks.search")}
            onInput={(event) => type(event.currentTarget.value)}
          />
        </label>
        <label class="sort">
          <span class="unseen">{t("tasks.sort")}</span>
          <select value={query.sort} onChange={(event) => onChange({ ...query, text, sort: event.currentTarget.value as Sort })}>
            {SORTS.map((sort) => <option key={sort} value={sort}>{t(`sort.${sort}`)}</option>)}
          </select>
        </label>
      </div>
    </div>
  );
}

function countOf(filter: Filter, count: number): string {
  const number = count.toLocaleString(language.value);
  return count === COUNTED && (filter === "needsYou" || filter === "scheduled") ? `${number}+` : number;
}

/** What stands in the field; the query follows when the person pauses. */
function useText(query: TaskQuery, onChange: (query: TaskQuery) => void) {
  const [text, setText] = useState(query.text);
  const change = useRef<(text: string) => void>(() => undefined);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  change.current = (typed) => typed !== query.text && onChange({ ...query, text: typed });
  useEffect(() => setText(query.text), [query.text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (typed: string) => {
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change.current(typed), PAUSE);
  };
  return { text, type };
}
