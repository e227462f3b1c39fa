/**
 * A Vite plugin: compiles the ICU messages of `src/texts/*.json` (lingui's format), so that no message parser is sent to
 * the browser. English is the source; of every other language only the texts are sent, in the order of the English keys.
 * Fails the build at a message that cannot be parsed, and at a text that is missing.
 */
import { readFileSync } from "node:fs";

import { compileMessage } from "@lingui/message-utils/compileMessage";

const SOURCE = ["en.json", "en.later.json"];

export function texts() {
  return {
    name: "texts",
    enforce: "pre",
    transform(source, id) {
      const [, folder, name] = /^(.*\/src\/texts\/)([\w.]+\.json)$/.exec(id) ?? [];
      if (name === undefined) return null;
      const messages = JSON.parse(source);
      return { code: JSON.stringify(SOURCE.includes(name) ? compiled(messages) : listed(messages, folder, name)), map: null };
    },
  };
}

const compiled = (messages) => Object.fromEntries(Object.entries(messages).map(([key, text]) => [key, compileMessage(text)]));

/** The compiled messages of a translation, one after the other. */
function listed(messages, folder, name) {
  const keys = SOURCE.flatMap((file) => Object.keys(JSON.parse(readFileSync(folder + file, "utf8"))));
  return keys.map((key) => {
    if (messages[key] === undefined) throw new Error(`${name} has no text for ${key}`);
    return compileMessage(messages[key]);
  });
}
