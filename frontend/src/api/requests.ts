/**
 * Requests of JSON with the types of openapi-fetch, of which the page needs a small part: paths, queries, JSON there and
 * back. `error` is the body of an answer that is not good, parsed where it is JSON.
 */
import type { Client } from "openapi-fetch";

import { withoutNulls } from "./shapes";

type Method = "GET" | "POST" | "PUT" | "DELETE";

interface Options {
  params?: { path?: Record<string, unknown>; query?: Record<string, unknown> };
  headers?: Record<string, string | undefined>;
  body?: unknown;
  signal?: AbortSignal;
  parseAs?: "blob";
}

export function clientOf<Paths extends object>(send: (request: Request) => Promise<Response>): Pick<Client<Paths>, Method> {
  const of = (method: Method) => async (path: string, options: Options = {}) => {
    const response = await send(requestOf(method, path, options));
    if (!response.ok) return { error: parsed(await response.text()), response };
    return { data: options.parseAs === "blob" ? await response.blob() : withoutNulls((await response.json()) as unknown), response };
  };
  return { GET: of("GET"), POST: of("POST"), PUT: of("PUT"), DELETE: of("DELETE") } as unknown as Pick<Client<Paths>, Method>;
}

function requestOf(method: Method, path: string, { params = {}, headers = {}, body, signal }: Options): Request {
  const place = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params.path?.[name])));
  const query = new URLSearchParams(given(params.query ?? {})).toString();
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  return new Request(query === "" ? place : `${place}?${query}`, {
    method,
    headers: { Accept: "application/json", ...json, ...Object.fromEntries(given(headers)) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
}

const given = (values: object): [string, string][] =>
  Object.entries(values).flatMap(([name, value]): [string, string][] => (value === undefined || value === null ? [] : [[name, String(value)]]));

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
