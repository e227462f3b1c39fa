/** Stand-ins for the browser and the authorization server, and builders in the words of the domain. */
import type { Grant, Task } from "../src/api/types";
import type { Browser } from "../src/browser";

export const ISSUER = "https://login.example/realms/demo";
export const CLIENT = "task-ui";
export const PAGE = "https://tasks.example";

export function task(changes: Partial<Task> = {}): Task {
  return {
    id: "task-1",
    name: "Data Processing",
    description: "",
    status: "pending",
    createdAt: "2025-01-18T12:00:00Z",
    userId: "alice",
    ...changes,
  };
}

export function grant(changes: Partial<Grant> = {}): Grant {
  return {
    persistentTokenId: "p1",
    status: "active",
    tokenType: "offline",
    provider: "default",
    scopes: ["email", "openid", "profile"],
    services: ["task-service"],
    createdAt: "2025-01-18T12:00:00Z",
    activatedAt: "2025-01-18T12:00:10Z",
    uses: 0,
    keptAlive: false,
    ...changes,
  };
}

export class FakeStorage implements Storage {
  private readonly kept = new Map<string, string>();
  get length() { return this.kept.size; }
  key = (index: number) => [...this.kept.keys()][index] ?? null;
  getItem = (key: string) => this.kept.get(key) ?? null;
  setItem = (key: string, value: string) => void this.kept.set(key, value);
  removeItem = (key: string) => void this.kept.delete(key);
  clear = () => this.kept.clear();
  everything = () => JSON.stringify([...this.kept]);
}

/** A tab: it remembers where it was sent, and can be "reloaded" by handing its storages to a new one. */
export class FakeBrowser implements Browser {
  readonly left: string[] = [];
  address: URL;
  clock = 1_700_000_000_000;
  connected = true;
  readonly downloads: string[] = [];
  readonly tabStorage = new FakeStorage();
  readonly sharedStorage = new FakeStorage();

  constructor(
    readonly fetch: Browser["fetch"],
    path = "/tasks",
  ) {
    this.address = new URL(path, PAGE);
  }

  url = () => new URL(this.address);
  now = () => this.clock;
  online = () => this.connected;
  download = (name: string) => void this.downloads.push(name);
  leaveFor = (url: string) => void this.left.push(url);
  replacePath = (path: string) => void (this.address = new URL(path, PAGE));
  open = (path: string) => void (this.address = new URL(path, PAGE));
  lastRequest = () => new URL(this.left.at(-1) ?? "about:blank").searchParams;
}

/** Answers discovery and the token endpoint. Set `nonce` from the authorization request before redeeming its code. */
export class FakeIssuer {
  nonce = "";
  /** The form of each token request. */
  readonly requests: URLSearchParams[] = [];
  /** What the token endpoint says to a refresh: a status, or "away" for no answer at all. */
  refreshes: 200 | 400 | "confused" | "away" = 200;
  discovery: "there" | "away" = "there";
  /** Milliseconds between this process's clock and its own. */
  clock = 0;
  lifetime = 300;
  private serial = 0;

  readonly fetch = (async (input: RequestInfo | URL, init?: RequestInit) => {
    await Promise.resolve();
    const url = input instanceof Request ? input.url : String(input);
    if (this.discovery === "away") throw new TypeError("fetch failed");
    if (url.endsWith("/.well-known/openid-configuration")) return json(200, metadata());
    const form = new URLSearchParams(init?.body as URLSearchParams);
    this.requests.push(form);
    if (form.get("grant_type") === "refresh_token" && this.refreshes !== 200) {
      if (this.refreshes === "away") throw new TypeError("fetch failed");
      return json(400, { error: this.refreshes === 400 ? "invalid_grant" : "invalid_request" });
    }
    return json(200, this.tokens());
  }) as Browser["fetch"];

  private tokens(): object {
    this.serial += 1;
    const now = Math.floor((Date.now() + this.clock) / 1000);
    const claims = { iss: ISSUER, aud: CLIENT, sub: "alice", iat: now, exp: now + 300, name: "Alice Archer" };
    return {
      access_token: `access-${this.serial}`,
      refresh_token: `refresh-${this.serial}`,
      id_token: jwt(this.requests.at(-1)?.has("code") ? { ...claims, nonce: this.nonce } : claims),
      token_type: "Bearer",
      expires_in: this.lifetime,
    };
  }
}

function metadata(): object {
  const endpoints = ISSUER + "/protocol/openid-connect";
  return {
    issuer: ISSUER,
    authorization_endpoint: `${endpoints}/auth`,
    token_endpoint: `${endpoints}/token`,
    end_session_endpoint: `${endpoints}/logout`,
  };
}

function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.${Buffer.from("signature").toString("base64url")}`;
}

/**
 * A `fetch` of the API that answers by method and path; an Error is thrown instead. Each call is added to `calls`, with
 * its body.
 */
export function scripted(answers: Record<string, unknown>, calls: string[]): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const call = `${request.method} ${pathname}${search}`;
    const body = await request.text();
    calls.push(body === "" ? call : `${call} ${body}`);
    const answer = answers[call];
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer : json(200, answer ?? {});
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}
