/** Where to sign in. The gateway serves it at run time, so that one build fits every installation. */

export interface Config {
  issuer: URL;
  clientId: string;
}

const TIMEOUT = 15_000;

/** observe: is given the answer, for its `Date`. */
export async function loadConfig(fetcher: typeof fetch, observe: (answer: Response) => void): Promise<Config> {
  const response = await fetcher("/config.json", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
  observe(response);
  if (!response.ok) throw new Error(`/config.json answered ${response.status}`);
  const read: unknown = await response.json();
  if (!isRecord(read) || typeof read.issuer !== "string" || typeof read.clientId !== "string") {
    throw new Error("/config.json has no issuer or no clientId");
  }
  return { issuer: new URL(read.issuer), clientId: read.clientId };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
