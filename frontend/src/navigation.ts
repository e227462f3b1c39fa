/** Goes to another page without a reload, from outside of components. The router hands its `route` in. */
import { useLayoutEffect } from "preact/hooks";

type Route = (path: string, replace?: boolean) => void;

let route: Route = (path) => location.assign(path);

export function connectRouter(routed: Route): void {
  route = routed;
}

export function navigate(path: string, replace = false): void {
  route(path, replace);
}

/** A field of the list of tasks that a key asks for. */
export type Field = "search" | "new";

/** So many milliseconds a field is waited for when another page was shown; later the person is elsewhere. */
const PATIENCE = 5_000;
let wanted: { field: Field; until: number } | undefined;

/** Moves the focus to a field of the list, at once or as soon as it is there. */
export function visit(field: Field): void {
  wanted = { field, until: performance.now() + PATIENCE };
  if (location.pathname !== "/tasks") navigate("/tasks");
  dispatchEvent(new Event("visit-field"));
}

/** Runs `act` when that field is asked for. */
export function useField(field: Field, act: () => void): void {
  useLayoutEffect(() => {
    const take = () => {
      if (wanted?.field !== field || performance.now() > wanted.until) return;
      wanted = undefined;
      act();
    };
    take();
    addEventListener("visit-field", take);
    return () => removeEventListener("visit-field", take);
  });
}
