import type { ComponentChildren } from "preact";

import { Spin } from "./icons";
import { Words } from "./Words";

export interface ButtonProps {
  look: "primary" | "purple" | "green" | "red" | "quiet" | "glass";
  children: ComponentChildren;
  onClick?: () => void;
  type?: "button" | "submit";
  small?: boolean;
  busy?: boolean;
  describedBy?: string;
  /** Has the focus when its dialog opens. */
  first?: boolean;
}

/** While busy it keeps its place, its name and the focus, and does nothing. */
export function Button({ look, children, onClick, type = "button", small = false, busy = false, describedBy, first = false }: ButtonProps) {
  const act = (event: Event) => {
    if (busy) event.preventDefault();
    else onClick?.();
  };
  return (
    <button
      type={type}
      class={`button button--${look} ${small ? "button--small" : ""}`}
      onClick={act}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      aria-describedby={describedBy}
      autofocus={first}
    >
      {busy && <Spin class="icon icon--spin" />}
      <span>{typeof children === "string" ? <Words text={children} /> : children}</span>
    </button>
  );
}
