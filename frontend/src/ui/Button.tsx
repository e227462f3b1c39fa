import type { ComponentChildren } from "preact";

import { Spin } from "./icons";

export interface ButtonProps {
  look: "primary" | "purple" | "green" | "red" | "quiet" | "glass";
  children: ComponentChildren;
  onClick?: () => void;
  type?: "button" | "submit";
  busy?: boolean;
  describedBy?: string;
}

/** While busy it keeps its place, its name and the focus, and does nothing. */
export function Button({ look, children, onClick, type = "button", busy = false, describedBy }: ButtonProps) {
  const act = (event: Event) => {
    if (busy) event.preventDefault();
    else onClick?.();
  };
  return (
    <button
      type={type}
      class={`button button--${look}`}
      onClick={act}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      aria-describedby={describedBy}
    >
      {busy && <Spin />}
      <span>{children}</span>
    </button>
  );
}
