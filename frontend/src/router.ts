/** Which page the address names. Links of the application go through `navigate`, so that no reload loses the tokens. */
import { computed, signal } from "@preact/signals";

export type Route = { page: "tasks" } | { page: "unknown" };

const path = signal("/");

export const route = computed<Route>(() => match(path.value));

export function match(pathname: string): Route {
  if (/^\/tasks\/?$/.test(pathname)) return { page: "tasks" };
  return { page: "unknown" };
}

export function navigate(to: string): void {
  history.pushState(null, "", to);
  path.value = location.pathname;
}

/** Follows the address from now on. Call it once the sign-in has put the address right. */
export function followAddress(): void {
  const follow = () => (path.value = location.pathname);
  addEventListener("popstate", follow);
  follow();
}
