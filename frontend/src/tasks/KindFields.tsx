import { useState } from "preact/hooks";

import type { Kind } from "../api/types";
import { useApp } from "../app";
import type { Draft } from "../drafts";
import { t } from "../texts/later";
import { Field } from "../ui/Field";
import { useLoaded } from "../ui/useLoaded";
import type { FieldErrors } from "./form";
import { parametersOf, valueOf, type Parameter } from "./parameters";

const USUAL = "demo";

/** What the task does, and with which parameters: a field for each member of the kind's schema. */
export function KindFields({ draft, errors }: { draft: Draft; errors: FieldErrors }) {
  const { api } = useApp();
  const { data, failed } = useLoaded(() => api.listKinds(), []);
  const [chosen, setChosen] = useState(draft.kind ?? USUAL);
  const kinds = data?.kinds ?? [];
  const kind = kinds.find((one) => one.kind === chosen) ?? kinds[0];
  if (kind === undefined) return <p class="soft">{t(failed ? "kind.failed" : "kind.loading")}</p>;
  return (
    <fieldset class="group">
      <legend>{t("kind.title")}</legend>
      <Field name="kind" label={t("kind.label")} error={errors.kind}>
        {(props) => (
          <select {...props} value={kind.kind} onChange={(event) => setChosen(event.currentTarget.value)}>
            {kinds.map((one) => <option key={one.kind} value={one.kind}>{one.kind}</option>)}
          </select>
        )}
      </Field>
      <p class="soft" lang="en">{kind.description}</p>
      <Parameters key={kind.kind} kind={kind} draft={kind.kind === draft.kind ? draft : {}} errors={errors} />
    </fieldset>
  );
}

function Parameters({ kind, draft, errors }: { kind: Kind; draft: Draft; errors: FieldErrors }) {
  const parameters = parametersOf(kind.parameters);
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>(() => typedIn(draft));
  if (parameters.length === 0) return null;
  return (
    <>
      {parameters.map((parameter) => (
        <ParameterField
          key={parameter.name}
          parameter={parameter}
          error={errors[`parameters.${parameter.name}`]}
          value={typed[parameter.name] ?? ""}
          onChange={(text) => setTyped({ ...typed, [parameter.name]: text })}
        />
      ))}
      <input type="hidden" name="parameters" value={JSON.stringify(valueOf(parameters, typed))} />
    </>
  );
}

interface ParameterFieldProps {
  parameter: Parameter;
  error: string | undefined;
  value: string;
  onChange: (text: string) => void;
}

function ParameterField({ parameter: { name, shape, choices, required, usual }, error, value, onChange }: ParameterFieldProps) {
  const type = (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value);
  const long = shape === "text" || shape === "json";
  const options = shape === "check" ? ["true", "false"] : choices;
  return (
    <Field name={`parameters.${name}`} label={name} optional={!required} error={error}>
      {({ "aria-invalid": invalid, "aria-describedby": described }) => {
        const props = { "aria-invalid": invalid, "aria-describedby": described };
        if (options.length > 0) {
          return (
            <select {...props} value={value} onChange={type}>
              <option value="">{usual === "" ? t("kind.choose") : t("kind.usual", { value: usual })}</option>
              {options.map((option) => <option key={option} value={option}>{option}</option>)}
            </select>
          );
        }
        const shared = { ...props, value, placeholder: usual, dir: "auto" as const, spellcheck: false };
        if (long) return <textarea {...shared} class={shape === "json" ? "mono" : ""} rows={3} onInput={type} />;
        return <input {...shared} type="text" inputMode={shape === "number" ? "decimal" : "text"} autoComplete="off" onInput={type} />;
      }}
    </Field>
  );
}

/** What was typed before, of a draft. */
function typedIn({ parameters }: Draft): Readonly<Record<string, string>> {
  if (parameters === undefined) return {};
  const values = JSON.parse(parameters) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]));
}
