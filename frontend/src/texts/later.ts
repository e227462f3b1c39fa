/**
 * Texts that the first view does not have: for parts that are fetched when they are wanted, and with them. A part that is
 * there from the beginning must not import this.
 */
import { add, say, type TextKey } from "./index";
import later from "./en.later.json";

add(later);

export { language } from "./index";
export type AnyKey = TextKey | keyof typeof later;

/** The text of a key, in the language that is shown now. values: what its placeholders stand for. */
export function t(key: AnyKey, values?: Record<string, string | number>): string {
  return say(key, values);
}

/** The text of a key that was put together at run time, or undefined when there is none. */
export function maybe(key: string, values?: Record<string, string | number>): string | undefined {
  return key in later ? say(key, values) : undefined;
}
