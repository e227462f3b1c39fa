import { useLayoutEffect } from "preact/hooks";
import { tinykeys } from "tinykeys";

import { visit } from "../navigation";

/** The keys that work on every page, unless somebody types or a dialog is open. */
export function useKeys(onHelp: () => void): void {
  useLayoutEffect(() => {
    const free = (act: () => void) => (event: KeyboardEvent) => {
      if (event.defaultPrevented || isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      act();
    };
    return tinykeys(window, {
      "/": free(() => visit("search")),
      n: free(() => visit("new")),
      j: free(() => step(1)),
      k: free(() => step(-1)),
      "Shift+?": free(onHelp),
      "?": free(onHelp),
      Escape: (event) => {
        if (isTyping(event.target)) (event.target as HTMLElement).blur();
      },
    });
  }, []);
}

/** Moves the focus to the next or the previous row. */
function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row-toggle]")];
  const here = rows.findIndex((row) => row.closest("[data-row]")?.contains(document.activeElement));
  const next = here === -1 ? rows.at(by === 1 ? 0 : -1) : rows[here + by];
  next?.focus();
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
}
