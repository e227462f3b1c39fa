import { compileMessage } from "@lingui/message-utils/compileMessage";
import { describe, expect, it } from "vitest";

import type { components } from "../src/api/generated/vault";
import { preferredLanguage, say, short, speak } from "../src/texts";
import "../src/texts/later";
import german from "../src/texts/de.json?raw";
import first from "../src/texts/en.json?raw";
import later from "../src/texts/en.later.json?raw";

const read = (text: string) => JSON.parse(text) as Record<string, string>;
const en = { ...read(first), ...read(later) };
const de = read(german);

/** All events of the vault's audit: the compiler misses one that is new. */
const EVENTS: Record<components["schemas"]["Event"], true> = {
  "consent.denied": true,
  "consent.failed": true,
  "consent.granted": true,
  "consent.requested": true,
  "grant.checked": true,
  "grant.expired": true,
  "grant.failed": true,
  "grant.keep_alive": true,
  "grant.refreshed": true,
  "grant.renamed": true,
  "grant.revoked": true,
  "revocation.sent": true,
  "ticket.created": true,
  "ticket.ended": true,
  "ticket.extended": true,
  "token.issued": true,
  "token.refused": true,
};

/** Names of the placeholders of an ICU message; a compiled one is a list of texts and of lists that begin with a name. */
function placeholders(message = ""): string[] {
  const names = new Set<string>();
  const visit = (text: unknown) => {
    for (const part of Array.isArray(text) ? (text as unknown[]) : []) {
      if (!Array.isArray(part)) continue;
      const [name, , branches] = part as [string, string?, object?];
      names.add(name);
      Object.values(branches ?? {}).forEach(visit);
    }
  };
  visit(compileMessage(message));
  return [...names].sort();
}

describe("the catalogue", () => {
  it("has the same keys in every language", () => {
    expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
  });

  it.each(Object.keys(en))("%s has the same placeholders in every language", (key) => {
    expect(placeholders(de[key])).toEqual(placeholders(en[key]));
  });

  it("gives each key its text in every language, whatever was loaded first", async () => {
    const plain = Object.keys(en).filter((key) => !/['{]/.test(`${en[key] ?? ""}${de[key] ?? ""}`));
    await speak("de");
    expect(Object.fromEntries(plain.map((key) => [key, say(key)]))).toEqual(Object.fromEntries(plain.map((key) => [key, de[key]])));
    await speak("en");
    expect(say("task.took", { duration: "5 s" })).toBe("took 5 s");
  });

  it.each(Object.keys(EVENTS))("has words for the vault's event %s", (event) => {
    expect(en).toHaveProperty([`event.${event}`]);
  });

  it.each([
    ["action.requestToken", "🔐 Request Offline Token"],
    ["action.execute", "▶️ Execute Task"],
    ["create.submit", "Create Task"],
    ["hint.none", "Task needs offline token. Please request consent first."],
    ["hint.pending", "Waiting for user to grant consent"],
    ["hint.failed", "Token request failed. Please try again."],
  ])("%s is the customer's, verbatim", (key, text) => expect(en[key]).toBe(text));
});

describe("a name in a sentence", () => {
  it("is its beginning when it is long, and never half a character", () => {
    expect(short("Nightly export")).toBe("Nightly export");
    expect(short("📅".repeat(100))).toBe(`${"📅".repeat(60)}…`);
  });
});

describe("the language", () => {
  it("is the chosen one, else the first of the browser's that there is, else English", () => {
    expect(preferredLanguage("de", ["en"])).toBe("de");
    expect(preferredLanguage(null, ["fr-FR", "de-AT", "en"])).toBe("de");
    expect(preferredLanguage("xx", ["fr"])).toBe("en");
  });
});
