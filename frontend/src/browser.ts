/** What the application needs of the browser beyond the document; tests hand in a stand-in. */
import { fits } from "./api/shapes";

export interface Browser {
  fetch: typeof fetch;
  /** The address of the page. */
  url(): URL;
  /** Leaves the page. */
  leaveFor(url: string): void;
  /** Rewrites the address without a new history entry; `path` is relative to the origin. */
  replacePath(path: string): void;
  /** This tab only; for what must survive a redirect. Never a token. */
  tabStorage: Storage;
  /** All tabs. Never a token. */
  sharedStorage: Storage;
  /** Milliseconds since the epoch. */
  now(): number;
  /** False when this machine knows that it has no network. */
  online(): boolean;
  /** Offers `content` to the person as a file. */
  download(name: string, content: Blob): void;
}

export function realBrowser(): Browser {
  return {
    fetch: (input, init) => fetch(input, init),
    url: () => new URL(location.href),
    leaveFor: (url) => location.assign(url),
    replacePath: (path) => history.replaceState(null, "", path),
    tabStorage: sessionStorage,
    sharedStorage: localStorage,
    now: () => Date.now(),
    online: () => navigator.onLine,
    download,
  };
}

/** Whether plain http to this host stays on this machine. */
export function isLoopback(url: URL): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

/** What a storage holds under a key, if it is JSON of that shape (`api/shapes.ts`): other pages of this origin may write there. */
export function kept(storage: Storage, key: string, shape: object): unknown {
  try {
    const value: unknown = JSON.parse(storage.getItem(key) ?? "null");
    return fits(value, shape) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Within its origin: a path that begins with two slashes would name another host. */
export const pathOf = (url: URL): string => url.pathname.replace(/^\/+/, "/") + url.search;

function download(name: string, content: Blob): void {
  const href = URL.createObjectURL(content);
  const link = Object.assign(document.createElement("a"), { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
