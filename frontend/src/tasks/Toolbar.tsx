import { useLayoutEffect, useRef } from "preact/hooks";

import { t } from "../texts";
import { Search } from "../ui/icons";
import { FILTERS, SORTS, type Filter, type Sort, type TaskQuery } from "./query";

export interface ToolbarProps {
  query: TaskQuery;
  counts: Readonly<Record<Filter, number>>;
  onChange: (query: TaskQuery) => void;
}

export function Toolbar({ query, counts, onChange }: ToolbarProps) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const listen = (event: Event) => (event as CustomEvent<string>).detail === "search" && field.current?.focus();
    addEventListener("visit-field", listen);
    return () => removeEventListener("visit-field", listen);
  }, []);
  return (
    <div class="toolbar">
      <div class="chips" role="group" aria-label={t("tasks.filter")}>
        {FILTERS.map((filter) => (
          <button
            key={filter}
            type="button"
            class="chip"
            aria-pressed={query.filter === filter}
            onClick={() => onChange({ ...query, filter })}
          >
            {t(`filter.${filter}`)} <span class="chip-count">{counts[filter]}</span>
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
            value={query.text}
            placeholder={t("tasks.search")}
            onInput={(event) => onChange({ ...query, text: event.currentTarget.value })}
          />
        </label>
        <label class="sort">
          <span class="unseen">{t("tasks.sort")}</span>
          <select value={query.sort} onChange={(event) => onChange({ ...query, sort: event.currentTarget.value as Sort })}>
            {SORTS.map((sort) => <option key={sort} value={sort}>{t(`sort.${sort}`)}</option>)}
          </select>
        </label>
      </div>
    </div>
  );
}
