/** Goes to another page without a reload, from outside of components. The router hands its `route` in. */

type Route = (path: string, replace?: boolean) => void;

let route: Route = (path) => location.assign(path);

export function connectRouter(routed: Route): void {
  route = routed;
}

export function navigate(path: string, replace = false): void {
  route(path, replace);
}
