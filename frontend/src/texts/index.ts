/**
 * The one catalogue of texts. `en.json` and `en.later.json` are the source; every other language has the same keys. ICU
 * MessageFormat, compiled when the page is built. The customer's strings stand in `en.json` verbatim.
 */
import { setupI18n, type Messages } from "@lingui/core";
import { signal } from "@preact/signals";

import en from "./en.json";

export type TextKey = keyof typeof en;
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const i18n = setupI18n({ locale: "en", messages: { en: en } });

/** The language that is shown now. Components that call `t` render again when it changes. */
export const language = signal<Language>("en");

/** The text of a key, in the language that is shown now. values: what its placeholders stand for. */
export function t(key: TextKey, values?: Record<string, string | number>): string {
  return say(key, values);
}

/** `t` of every key: those of `later.ts` too. */
export function say(key: string, values?: Record<string, string | number>): string {
  const wanted = language.value; // reading the signal is what makes a component follow the language
  if (i18n.locale !== wanted) i18n.activate(wanted);
  return i18n._(key, values);
}

/** More English texts. */
export function add(messages: object): void {
  i18n.load("en", messages as Messages);
}

/** The text of a key that was put together at run time, or undefined when there is none. */
export function maybe(key: string, values?: Record<string, string | number>): string | undefined {
  return key in en ? t(key as TextKey, values) : undefined;
}

export async function speak(wanted: Language): Promise<void> {
  if (wanted !== "en") i18n.load(wanted, (await import("./de.json")).default as unknown as Messages);
  document.documentElement.lang = wanted;
  language.value = wanted;
}

/** What the person chose before, else the first of the browser's languages that we have. */
export function preferredLanguage(chosen: string | null, spoken: readonly string[]): Language {
  const known = [chosen ?? "", ...spoken].map((tag) => tag.slice(0, 2).toLowerCase());
  return known.find((tag): tag is Language => tag in LANGUAGES) ?? "en";
}
