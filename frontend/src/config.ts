/** Where to sign in. The gateway serves it at run time, so that one build fits every installation. */

export interface Config {
  issuer: URL;
  clientId: string;
}

export async function loadConfig(fetcher: typeof fetch = fetch): Promise<Config> {
  const response = await fetcher("/config.json", { cache: "no-store" });
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
