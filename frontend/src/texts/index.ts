/**
 * The one catalogue of texts. `en.json` and `en.later.json` are the source; every other language has the same keys. ICU
 * MessageFormat, compiled when the page is built. The customer's strings stand in `en.json` verbatim.
 *
 * A translation comes as a list: its texts in the order of the source's keys.
 */
import { setupI18n, type Messages } from "@lingui/core";
import { signal } from "@preact/signals";

import en from "./en.json";

export type TextKey = keyof typeof en;
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

type Message = Messages[string];

const i18n = setupI18n({ locale: "en", messages: { en: en } });
/** The keys of the source, as far as it is loaded: its two files in their order. */
let keys = Object.keys(en);
const translations = new Map<Language, readonly Message[]>();

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
  keys = [...keys, ...Object.keys(messages)];
  for (const wanted of translations.keys()) translate(wanted);
}

/** Gives the texts of a translation their keys. */
function translate(wanted: Language): void {
  const texts = translations.get(wanted) ?? [];
  i18n.load(wanted, Object.fromEntries(keys.map((key, place) => [key, texts[place] ?? key])));
}

/** The text of a key that was put together at run time, or undefined when there is none. */
export function maybe(key: string, values?: Record<string, string | number>): string | undefined {
  return key in en ? t(key as TextKey, values) : undefined;
}

/** So many characters of a name stand in a sentence. */
const IN_SENTENCE = 60;

/** A name as part of a sentence: of a long one, its beginning. */
export function short(name: string): string {
  const letters = Array.from(name);
  return letters.length > IN_SENTENCE ? `${letters.slice(0, IN_SENTENCE).join("")}…` : name;
}

export async function speak(wanted: Language): Promise<void> {
  if (wanted !== "en" && !translations.has(wanted)) {
    translations.set(wanted, (await import("./de.json")).default as unknown as readonly Message[]);
    translate(wanted);
  }
  document.documentElement.lang = wanted;
  language.value = wanted;
}

/** What the person chose before, else the first of the browser's languages that we have. */
export function preferredLanguage(chosen: string | null, spoken: readonly string[]): Language {
  const known = [chosen ?? "", ...spoken].map((tag) => tag.slice(0, 2).toLowerCase());
  return known.find((tag): tag is Language => tag in LANGUAGES) ?? "en";
}
