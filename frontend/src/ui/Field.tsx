import type { ComponentChildren } from "preact";

import { t } from "../texts";

export interface FieldProps {
  name: string;
  label: string;
  optional?: boolean;
  error: string | undefined;
  children: (props: { name: string; "aria-invalid": boolean; "aria-describedby": string | undefined }) => ComponentChildren;
}

/** A labelled field, with what is wrong with it beneath. */
export function Field({ name, label, optional = false, error, children }: FieldProps) {
  const described = error === undefined ? undefined : `${name}-error`;
  return (
    <div>
      <label class="field">
        <span>{label} {optional && <small>{t("create.optional")}</small>}</span>
        {children({ name, "aria-invalid": error !== undefined, "aria-describedby": described })}
      </label>
      {error !== undefined && <p class="field-error" id={described} role="alert">{error}</p>}
    </div>
  );
}
