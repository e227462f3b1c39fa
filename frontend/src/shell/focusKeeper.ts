/**
 * Keeps the focus in the page. When what has it goes (its action is done, or another answer of the server takes it away),
 * the focus goes to the beginning of the nearest part of the page that stays, and not to the body.
 */
const PARTS = "article, section, main";
const BEGINNINGS = "h1[tabindex], [data-row-toggle], a[href], button";

/** The focused element, with the parts of the page that it is in, from the inside out. */
let path: readonly Element[] = [];

export function keepFocus(): void {
  addEventListener("focusin", ({ target }) => {
    path = target instanceof Element ? [target, ...partsOf(target)] : [];
  });
  new MutationObserver(mend).observe(document.body, { subtree: true, childList: true });
}

function mend(): void {
  const [focused, ...parts] = path;
  if (focused === undefined || focused.isConnected || document.activeElement !== document.body) return;
  const stays = parts.find((part) => part.isConnected);
  const beginning = stays?.querySelector<HTMLElement>(BEGINNINGS) ?? document.getElementById("page-title");
  beginning?.focus({ preventScroll: true });
}

function partsOf(element: Element): readonly Element[] {
  const part = element.parentElement?.closest(PARTS);
  return part ? [part, ...partsOf(part)] : [];
}
