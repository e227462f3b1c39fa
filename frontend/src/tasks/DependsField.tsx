import { useEffect, useRef, useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import type { Draft } from "../drafts";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Cross, Plus } from "../ui/icons";
import { readNamed, type FieldErrors, type Named } from "./form";

const SHOWN = 6;
/** Milliseconds without a key before the server is asked. */
const PAUSE = 250;

/** The tasks that must have completed before this one runs: found by the server's search, kept by id and name. */
export function DependsField({ draft, errors }: { draft: Draft; errors: FieldErrors }) {
  const [chosen, setChosen] = useState<readonly Named[]>(() => readNamed(draft.dependsOn ?? ""));
  const [text, setText] = useState("");
  const found = useFound(text).filter(({ id }) => !chosen.some((one) => one.id === id));
  const kept = useRef<HTMLInputElement>(null);
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => void kept.current?.dispatchEvent(new Event("input", { bubbles: true })), [chosen]);
  const choose = (next: readonly Named[]) => {
    setChosen(next);
    setText("");
    search.current?.focus();
  };
  return (
    <fieldset class="group depends-field">
      <legend>{t("depends.title")}</legend>
      <input ref={kept} type="hidden" name="dependsOn" value={chosen.length === 0 ? "" : JSON.stringify(chosen)} />
      <label class="field">
        <span>{t("depends.on")}</span>
        <input
          ref={search}
          type="search"
          dir="auto"
          maxLength={200}
          autoComplete="off"
          value={text}
          placeholder={t("depends.search")}
          aria-invalid={errors.dependsOn !== undefined}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || text.trim() === "") return;
            event.preventDefault(); // the form is not complete yet
            if (found[0] !== undefined) choose([...chosen, named(found[0])]);
          }}
        />
      </label>
      {errors.dependsOn !== undefined && <p class="field-error" role="alert">{errors.dependsOn}</p>}
      <ul class="picks" aria-label={t("depends.found")}>
        {found.map((task) => (
          <li key={task.id}><Button small look="quiet" onClick={() => choose([...chosen, named(task)])}><Plus class="icon" /> <span class="pick-name" dir="auto" title={task.name}>{task.name}</span></Button></li>
        ))}
      </ul>
      <ul class="picks" aria-label={t("depends.chosen")}>
        {chosen.map(({ id, name }) => (
          <li key={id}><Button small look="quiet" onClick={() => choose(chosen.filter((one) => one.id !== id))}><Cross class="icon" /> <span class="unseen">{t("depends.without")} </span><span class="pick-name" dir="auto" title={name}>{name}</span></Button></li>
        ))}
      </ul>
    </fieldset>
  );
}

const named = ({ id, name }: Task): Named => ({ id, name });

/** The tasks that match what was typed, some at most; none while nothing is typed or nobody answers. */
function useFound(text: string): readonly Task[] {
  const { api } = useApp();
  const [found, setFound] = useState<readonly Task[]>([]);
  useEffect(() => {
    const search = text.trim();
    if (search === "") {
      setFound([]);
      return;
    }
    const asked = new AbortController();
    const ask = () => api.listTasks({ search, limit: SHOWN, sort: "name" }, undefined, asked.signal).then(({ data }) => setFound(data?.tasks ?? []), () => undefined);
    const timer = setTimeout(() => void ask(), PAUSE);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [text]);
  return found;
}
